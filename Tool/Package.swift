// swift-tools-version: 6.2
// The `vmalloc` tool for Linux hosts, and the parsers of what Linux prints about its kernel memory.
import PackageDescription

let sources: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let tests: [SwiftSetting] = [
  .treatAllWarnings(as: .error)
]

/// The parser of traces and the replay with its report, which the booted kernel has, too.
let replay = Target.Dependency.product(name: "BootReplay", package: "Kernel")

func core(_ product: String) -> Target.Dependency {
  .product(name: product, package: "swift-vmalloc")
}

let package = Package(
  name: "Tool",
  products: [
    .executable(name: "vmalloc", targets: ["VmallocTool"]),
    .library(name: "LinuxMemory", targets: ["LinuxMemory"]),
  ],
  dependencies: [
    .package(name: "swift-vmalloc", path: "../"),
    .package(name: "Kernel", path: "../Kernel"),
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
  ],
  targets: [
    .target(name: "LinuxMemory", dependencies: [replay, core("KernelMemory")], swiftSettings: sources),
    .target(
      name: "VmallocReplay",
      dependencies: [
        "LinuxMemory", replay, core("KernelMemory"),
        .product(name: "ComputerSimulation", package: "Kernel"),
      ],
      swiftSettings: sources),
    .executableTarget(
      name: "VmallocTool",
      dependencies: [
        "LinuxMemory", "VmallocReplay", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      resources: ["page.html", "page.css", "model.js", "map.js", "side.js", "page.js"].map {
        .embedInCode("Explorer/Page/" + $0)
      },
      swiftSettings: sources),
    .testTarget(name: "LinuxMemoryTests", dependencies: ["LinuxMemory", replay], swiftSettings: tests),
    .testTarget(
      name: "VmallocToolTests", dependencies: ["VmallocTool", "LinuxMemory", "VmallocReplay"],
      exclude: ["Explorer/replay.js", "Golden"], swiftSettings: tests),
  ]
)
