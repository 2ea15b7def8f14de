// swift-tools-version: 6.2
// Bytes as operations: random inputs for the allocators on a simulated machine, from files, from a seed, or
// from libFuzzer, whose target is present only when VMALLOC_LIBFUZZER=1.
import PackageDescription

let usesLibFuzzer = Context.environment["VMALLOC_LIBFUZZER"] == "1"

let settings: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

// `--sanitize fuzzer` has every module count its branches, and links libFuzzer, which has the `main`.
let libFuzzer: [Target] = [
  .executableTarget(
    name: "LibFuzzer", dependencies: ["FuzzBody"],
    swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])])
]

let package = Package(
  name: "Fuzzing",
  dependencies: [.package(name: "swift-vmalloc", path: "../")],
  targets: [
    .target(
      name: "FuzzBody",
      dependencies: [
        .product(name: "KernelMemory", package: "swift-vmalloc"),
        .product(name: "MachineSimulator", package: "swift-vmalloc"),
      ],
      swiftSettings: settings),
    .executableTarget(name: "Fuzz", dependencies: ["FuzzBody"], swiftSettings: settings),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzBody"], swiftSettings: settings),
  ] + (usesLibFuzzer ? libFuzzer : [])
)
