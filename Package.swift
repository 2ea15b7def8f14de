// swift-tools-version: 6.2
// swift-vmalloc: virtually contiguous kernel memory, for kernels written in Swift.
import PackageDescription

let sources: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
]

let tests: [SwiftSetting] = [
  .treatAllWarnings(as: .error)
]

let package = Package(
  name: "swift-vmalloc",
  products: [
    .library(name: "KernelMemory", targets: ["KernelMemory"]),
    .library(name: "MachineSimulator", targets: ["MachineSimulator"]),
    .library(name: "BareMetal", targets: ["BareMetal", "CBareMetal"]),
    .library(name: "RuntimeHeap", targets: ["RuntimeHeap", "CRuntimeHeap"]),
  ],
  traits: [
    .trait(
      name: "Ablations",
      description: "Lets tests plant mistakes in the core, to show that they are found; never for a kernel.")
  ],
  targets: [
    .target(name: "CMachine"),
    .target(name: "KernelMemory", dependencies: ["CMachine"], swiftSettings: sources),
    .target(name: "CBareMetal"),
    .target(
      name: "BareMetal", dependencies: ["KernelMemory", "CMachine", "CBareMetal"], swiftSettings: sources),
    .target(
      name: "MachineSimulator", dependencies: ["KernelMemory", "CMachine"], swiftSettings: sources),
    .target(name: "CRuntimeHeap"),
    .target(
      name: "RuntimeHeap", dependencies: ["KernelMemory", "CRuntimeHeap"], swiftSettings: sources),
    // What tests share: a test target, so that nothing but a build of tests has it.
    .testTarget(
      name: "TestSupport", dependencies: ["KernelMemory", "MachineSimulator", "CMachine"],
      swiftSettings: tests),
    .testTarget(
      name: "KernelMemoryTests",
      dependencies: ["KernelMemory", "MachineSimulator", "CMachine", "TestSupport"], swiftSettings: tests),
    .testTarget(
      name: "HeavyTests", dependencies: ["KernelMemory", "MachineSimulator", "CMachine", "TestSupport"],
      swiftSettings: tests),
    .testTarget(
      name: "MachineSimulatorTests", dependencies: ["MachineSimulator", "KernelMemory", "CMachine"],
      swiftSettings: tests),
    .testTarget(
      name: "RuntimeHeapTests",
      dependencies: ["RuntimeHeap", "MachineSimulator", "KernelMemory", "CMachine"], swiftSettings: tests),
  ]
)

// `make docs` alone asks for the documentation plugin, so that no dependent fetches it.
if Context.environment["VMALLOC_DOCS"] != nil {
  package.dependencies.append(
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}
