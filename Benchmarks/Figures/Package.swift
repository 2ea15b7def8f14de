// swift-tools-version: 6.2
// What the scripts compute and check: tables of figures, counts of tests, the rules that sources and compiled
// code keep, and searches of models. Without dependencies, since every `make test` builds it.
import PackageDescription

let settings: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "Figures",
  products: [
    .executable(name: "figures", targets: ["FiguresCommand"]),
    .executable(name: "checks", targets: ["ChecksCommand"]),
  ],
  targets: [
    .target(name: "Figures", swiftSettings: settings),
    .executableTarget(name: "FiguresCommand", dependencies: ["Figures"], swiftSettings: settings),
    .target(name: "Checks", swiftSettings: settings),
    .executableTarget(name: "ChecksCommand", dependencies: ["Checks"], swiftSettings: settings),
    .testTarget(name: "ChecksTests", dependencies: ["Checks", "ChecksCommand"], swiftSettings: settings),
    .testTarget(name: "FiguresTests", dependencies: ["Figures"], swiftSettings: settings),
  ]
)
