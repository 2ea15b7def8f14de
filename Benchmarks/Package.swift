// swift-tools-version: 6.2
// Figures in real time, on threads of the host. A package of its own, so that no dependent builds it.
import PackageDescription

let sources: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "swift-vmalloc", path: "../")],
  targets: [
    .executableTarget(
      name: "HostThreads",
      dependencies: [
        .product(name: "KernelMemory", package: "swift-vmalloc"),
        .product(name: "MachineSimulator", package: "swift-vmalloc"),
      ],
      swiftSettings: sources)
  ]
)
