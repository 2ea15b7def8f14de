import Synchronization

/// A number for each CPU, that all CPUs may read.
final class Counts: Sendable {
  private let values: [Cell]

  private final class Cell: Sendable { let value = Atomic<Int>(0) }

  init(_ count: Int) { values = (0..<count).map { _ in Cell() } }

  subscript(index: Int) -> Int { values[index].value.load(ordering: .acquiring) }

  func add(_ index: Int) { values[index].value.add(1, ordering: .acquiringAndReleasing) }
}
