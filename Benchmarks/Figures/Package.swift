// swift-tools-version: 6.2
// What the scripts do that is more than a few commands: builds, boots and tests in their order, tables of
// figures, the rules that sources and compiled code keep, and searches of models. Without dependencies, since
// every `make test` builds it.
import PackageDescription

let settings: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "Figures",
  products: [
    .executable(name: "tasks", targets: ["TasksCommand"]),
    .executable(name: "checks", targets: ["ChecksCommand"]),
  ],
  targets: [
    .target(name: "Processes", swiftSettings: settings),
    .target(name: "Figures", swiftSettings: settings),
    .target(name: "Tasks", dependencies: ["Figures", "Processes"], swiftSettings: settings),
    .executableTarget(name: "TasksCommand", dependencies: ["Tasks", "Processes"], swiftSettings: settings),
    .target(name: "Checks", swiftSettings: settings),
    .executableTarget(name: "ChecksCommand", dependencies: ["Checks", "Processes"], swiftSettings: settings),
    .testTarget(name: "ProcessesTests", dependencies: ["Processes"], swiftSettings: settings),
    .testTarget(name: "TasksTests", dependencies: ["Tasks", "TasksCommand"], swiftSettings: settings),
    .testTarget(name: "ChecksTests", dependencies: ["Checks"], swiftSettings: settings),
    .testTarget(name: "FiguresTests", dependencies: ["Figures"], swiftSettings: settings),
  ]
)
