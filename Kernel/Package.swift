// swift-tools-version: 6.2
// The bootable kernel, the main job that it runs, and the same job on the simulated machine.
//
// The bare-metal targets are present only when VMALLOC_BARE_METAL names an architecture, as Scripts/kernel.sh
// has it: they need a toolset beside this file, and a hosted `swift build` or `swift test` has no use for
// them. Of the platforms in the kernel's sources, only that architecture's is compiled,
// and `devicetree` for all but x86-64.
import PackageDescription

let architectures = ["x86_64", "aarch64", "riscv64"]
let architecture = Context.environment["VMALLOC_BARE_METAL"]
let isBareMetal = architecture.map(architectures.contains) ?? false
let otherPlatforms =
  architectures.filter { $0 != architecture } + (architecture == "x86_64" ? ["devicetree"] : [])

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
      "BootReplay", "LoaderText", "PVH", "ACPI", "DeviceTree", "CKernel", core("KernelMemory"),
      core("BareMetal"), core("RuntimeHeap"),
    ],
    exclude: otherPlatforms.map { "Platforms/\($0)" },
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
  .testTarget(
    name: "PVHTests", dependencies: ["PVH", "LoaderText", core("KernelMemory")], swiftSettings: tests),
  .testTarget(
    name: "DeviceTreeTests", dependencies: ["DeviceTree", "LoaderText", core("KernelMemory")],
    swiftSettings: tests),
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
    .target(name: "LoaderText", dependencies: [core("KernelMemory")], swiftSettings: sources),
    .target(name: "PVH", dependencies: ["LoaderText", core("KernelMemory")], swiftSettings: sources),
    .target(name: "DeviceTree", dependencies: ["LoaderText", core("KernelMemory")], swiftSettings: sources),
  ] + (isBareMetal ? bareMetal : hosted)
)
