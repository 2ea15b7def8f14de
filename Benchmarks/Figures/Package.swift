// swift-tools-version: 6.2
// What the scripts compute: tables of figures, and counts of tests. Without dependencies, since every
// `make test` builds it.
import PackageDescription

let settings: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "Figures",
  products: [.executable(name: "figures", targets: ["FiguresCommand"])],
  targets: [
    .target(name: "Figures", swiftSettings: settings),
    .executableTarget(name: "FiguresCommand", dependencies: ["Figures"], swiftSettings: settings),
    .testTarget(name: "FiguresTests", dependencies: ["Figures"], swiftSettings: settings),
  ]
)
