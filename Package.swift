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
    .library(name: "MachineSimulator", targets: ["MachineSimulator", "CHost"]),
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
    .target(name: "CHost"),
    .target(
      name: "MachineSimulator", dependencies: ["KernelMemory", "CMachine", "CHost"], swiftSettings: sources),
    .target(name: "CRuntimeHeap"),
    .target(
      name: "RuntimeHeap", dependencies: ["KernelMemory", "CRuntimeHeap"], swiftSettings: sources),
  ]
)

/// A target of tests. What several share is in `TestSupport`: a target of tests, too, so that nothing but a
/// build of tests has it.
func testTarget(_ name: String, _ dependencies: Target.Dependency...) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["KernelMemory", "MachineSimulator", "CMachine"],
    swiftSettings: tests)
}

let testTargets = [
  testTarget("TestSupport"),
  testTarget("KernelMemoryTests", "TestSupport"),
  testTarget("HeavyTests", "TestSupport"),
  testTarget("ThreadTests", "TestSupport"),
  testTarget("AblationTests", "TestSupport"),
  testTarget("MachineSimulatorTests"),
  testTarget("RuntimeHeapTests", "RuntimeHeap"),
  testTarget("BareMetalTests", "BareMetal"),
]

// `VMALLOC_TESTS=HeavyTests,ThreadTests` leaves the others out of a build that has no use for them: SwiftPM
// builds all tests or none.
let asked = Context.environment["VMALLOC_TESTS", default: ""].split(separator: ",").map(String.init)
package.targets += testTargets.filter { asked.isEmpty || $0.name == "TestSupport" || asked.contains($0.name) }

// `make docs` alone asks for the documentation plugin, so that no dependent fetches it.
if Context.environment["VMALLOC_DOCS"] != nil {
  package.dependencies.append(
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}
