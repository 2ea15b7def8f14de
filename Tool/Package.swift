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

let package = Package(
  name: "Tool",
  products: [
    .executable(name: "vmalloc", targets: ["VmallocTool"]),
    .library(name: "LinuxMemory", targets: ["LinuxMemory"]),
  ],
  dependencies: [
    .package(name: "swift-vmalloc", path: "../"),
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
  ],
  targets: [
    .target(name: "LinuxMemory", swiftSettings: sources),
    .executableTarget(
      name: "VmallocTool",
      dependencies: [
        "LinuxMemory", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: sources),
    .testTarget(name: "LinuxMemoryTests", dependencies: ["LinuxMemory"], swiftSettings: tests),
    .testTarget(
      name: "VmallocToolTests", dependencies: ["VmallocTool", "LinuxMemory"], swiftSettings: tests),
  ]
)
