internal import KernelMemory

/// Something that memory did and must not do, or did not do and must.
public struct Violation: Equatable {
  public enum Kind: Equatable, Sendable {
    case storeFaulted, loadFaulted, wrongValue
    case guardReadable, guardWritable
    case freedReadable, freedWritable
    case notWhereAsked, lookupWrong, framesWrong
    case countersWrong

    var name: StaticString {
      switch self {
      case .storeFaulted: "a store into a live area faulted"
      case .loadFaulted: "a load from a live area faulted"
      case .wrongValue: "a word has changed"
      case .guardReadable: "a guard page could be read"
      case .guardWritable: "a guard page could be written"
      case .freedReadable: "a freed area could be read"
      case .freedWritable: "a freed area could be written"
      case .notWhereAsked: "an area lies outside its range or not on its alignment"
      case .lookupWrong: "the manager does not find an area, or finds one that is freed"
      case .framesWrong: "an area has not as many frames as pages"
      case .countersWrong: "the manager's counters differ from what was done"
      }
    }
  }

  public let kind: Kind
  public let address: UInt64
  /// The line of the recording that was being replayed.
  public let line: UInt64
  /// What the word should have been, and what it was.
  public let expected: UInt64
  public let found: UInt64
}

/// All violations as a number, and the first of them.
public struct Violations: Equatable {
  public private(set) var count: UInt64 = 0
  public private(set) var first: Violation?

  mutating func add(
    _ kind: Violation.Kind, at address: UInt64, line: UInt64, expected: UInt64 = 0, found: UInt64 = 0
  ) {
    count += 1
    guard first == nil else { return }
    first = Violation(kind: kind, address: address, line: line, expected: expected, found: found)
  }
}

extension Violation {
  func write(to sink: inout some TextSink) {
    sink.write(kind.name)
    if kind != .countersWrong {
      sink.write(": ")
      sink.write(address: address)
    }
    if expected != found {
      sink.write(", expected ")
      sink.write(address: expected)
      sink.write(" found ")
      sink.write(address: found)
    }
    sink.write(", at line ")
    sink.write(decimal: line)
  }
}
