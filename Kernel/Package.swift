// swift-tools-version: 6.2
// The bootable kernel, the main job that it runs, and the same job on the simulated machine.
//
// The bare-metal targets are present only when VMALLOC_BARE_METAL=1, which Scripts/kernel.sh sets: they
// need the toolset beside this file, and a hosted `swift build` or `swift test` has no use for them.
import PackageDescription

let isBareMetal = Context.environment["VMALLOC_BARE_METAL"] == "1"

let sources: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let tests: [SwiftSetting] = [
  .treatAllWarnings(as: .error)
]

func core(_ product: String) -> Target.Dependency {
  .product(name: product, package: "swift-vmalloc")
}

let bareMetal: [Target] = [
  .target(name: "CKernel", dependencies: [core("BareMetal")], cSettings: [.treatAllWarnings(as: .error)]),
  .executableTarget(
    name: "Kernel",
    dependencies: [
      "BootReplay", "PVH", "ACPI", "CKernel", core("KernelMemory"), core("BareMetal"), core("RuntimeHeap"),
    ],
    swiftSettings: sources),
]

let hosted: [Target] = [
  .target(
    name: "ComputerSimulation",
    dependencies: ["BootReplay", core("KernelMemory"), core("MachineSimulator")],
    swiftSettings: sources),
  .executableTarget(
    name: "SimulatedRun",
    dependencies: ["BootReplay", "ComputerSimulation", core("KernelMemory"), core("MachineSimulator")],
    swiftSettings: sources),
  .testTarget(
    name: "BootReplayTests",
    dependencies: [
      "BootReplay", "ComputerSimulation", "SimulatedRun", core("KernelMemory"), core("MachineSimulator"),
    ],
    swiftSettings: tests),
  .testTarget(name: "ACPITests", dependencies: ["ACPI", core("KernelMemory")], swiftSettings: tests),
  .testTarget(name: "PVHTests", dependencies: ["PVH", core("KernelMemory")], swiftSettings: tests),
  .testTarget(
    name: "BootedTests", dependencies: ["BootReplay", "ComputerSimulation", core("KernelMemory")],
    swiftSettings: tests),
]

let hostedProducts: [Product] = [
  .library(name: "ComputerSimulation", targets: ["ComputerSimulation"])
]

let package = Package(
  name: "Kernel",
  products: [.library(name: "BootReplay", targets: ["BootReplay"])] + (isBareMetal ? [] : hostedProducts),
  dependencies: [.package(name: "swift-vmalloc", path: "../")],
  targets: [
    .target(name: "BootReplay", dependencies: [core("KernelMemory")], swiftSettings: sources),
    .target(name: "ACPI", dependencies: [core("KernelMemory")], swiftSettings: sources),
    .target(name: "PVH", dependencies: [core("KernelMemory")], swiftSettings: sources),
  ] + (isBareMetal ? bareMetal : hosted)
)
