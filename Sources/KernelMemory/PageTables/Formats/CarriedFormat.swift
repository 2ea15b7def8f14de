#if !hasFeature(Embedded)

/// The properties of any format, as a value: what the walker of a hosted build works with. They lie in memory
/// that is never given back, so that the value is as small as a pointer: a process has few formats.
struct CarriedFormat: PageTableFormat, @unchecked Sendable {
  private let properties: Stable<Properties>

  private struct Properties: Equatable {
    let pageSize: PageSize
    let rootIndexBits: Int
    let levels: Int
    let leastLevels: Int
    let largestLeafLevel: Int
    let highestLeafLevel: Int
    let frameShift: Int
    let frameBits: Int
    let present: UInt64
    let quarantine: UInt64
    let tableEntry: UInt64
    let leafMark: UInt64
    let leaf: LeafPattern
    let largeLeaf: LeafPattern
    let contiguousOrder: Int
    let contiguousMark: UInt64
    let contiguousLeafHidesFrame: Bool
    let splitNeedsBreakBeforeMake: Bool
    let defaultVmallocRange: PageRange
  }

  init(_ format: some PageTableFormat) {
    let memory = UnsafeMutablePointer<Properties>.allocate(capacity: 1)
    unsafe memory.initialize(
      to: Properties(
        pageSize: format.pageSize, rootIndexBits: format.rootIndexBits, levels: format.levels,
        leastLevels: format.leastLevels, largestLeafLevel: format.largestLeafLevel,
        highestLeafLevel: format.highestLeafLevel, frameShift: format.frameShift, frameBits: format.frameBits,
        present: format.present, quarantine: format.quarantine, tableEntry: format.tableEntry,
        leafMark: format.leafMark, leaf: format.leaf, largeLeaf: format.largeLeaf,
        contiguousOrder: format.contiguousOrder, contiguousMark: format.contiguousMark,
        contiguousLeafHidesFrame: format.contiguousLeafHidesFrame,
        splitNeedsBreakBeforeMake: format.splitNeedsBreakBeforeMake,
        defaultVmallocRange: format.defaultVmallocRange))
    properties = Stable(bitPattern: UInt(bitPattern: memory))
  }

  static func == (left: Self, right: Self) -> Bool { left.properties.value == right.properties.value }

  var pageSize: PageSize { properties.value.pageSize }
  var rootIndexBits: Int { properties.value.rootIndexBits }
  var levels: Int { properties.value.levels }
  var leastLevels: Int { properties.value.leastLevels }
  var largestLeafLevel: Int { properties.value.largestLeafLevel }
  var highestLeafLevel: Int { properties.value.highestLeafLevel }
  var frameShift: Int { properties.value.frameShift }
  var frameBits: Int { properties.value.frameBits }
  var present: UInt64 { properties.value.present }
  var quarantine: UInt64 { properties.value.quarantine }
  var tableEntry: UInt64 { properties.value.tableEntry }
  var leafMark: UInt64 { properties.value.leafMark }
  var leaf: LeafPattern { properties.value.leaf }
  var largeLeaf: LeafPattern { properties.value.largeLeaf }
  var contiguousOrder: Int { properties.value.contiguousOrder }
  var contiguousMark: UInt64 { properties.value.contiguousMark }
  var contiguousLeafHidesFrame: Bool { properties.value.contiguousLeafHidesFrame }
  var splitNeedsBreakBeforeMake: Bool { properties.value.splitNeedsBreakBeforeMake }
  var defaultVmallocRange: PageRange { properties.value.defaultVmallocRange }
}

#endif
