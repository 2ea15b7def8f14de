// swift-tools-version: 6.2
// swift-vmalloc: virtually contiguous kernel memory, for kernels written in Swift.
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
  name: "swift-vmalloc",
  products: [
    .library(name: "KernelMemory", targets: ["KernelMemory"]),
    .library(name: "MachineSimulator", targets: ["MachineSimulator"]),
  ],
  targets: [
    .target(name: "CMachine"),
    .target(name: "KernelMemory", dependencies: ["CMachine"], swiftSettings: sources),
    .target(
      name: "MachineSimulator", dependencies: ["KernelMemory", "CMachine"], swiftSettings: sources),
    .testTarget(
      name: "KernelMemoryTests", dependencies: ["KernelMemory", "MachineSimulator"],
      swiftSettings: tests),
  ]
)
