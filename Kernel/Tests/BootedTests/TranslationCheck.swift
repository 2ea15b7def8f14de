import Foundation
import Testing

/// The emulator's monitor says of every mapping that the kernel lists what the kernel says: `gva2gpa`, which
/// walks the tables as the CPU does. (`info mem` and `info tlb` are not there for every architecture.)
struct TranslationCheck {
  private let setup: Setup
  private let pageBytes: UInt64

  init(_ setup: Setup, pageBytes: UInt64 = 4_096) {
    self.setup = setup
    self.pageBytes = pageBytes
  }

  /// An address, and what it has to be translated to; nil for no translation.
  private struct Question: Hashable {
    let address: UInt64
    let physical: UInt64?
    var command: String { "gva2gpa 0x\(String(address, radix: 16))" }
  }

  /// Boots twice: to have the listing, and to ask about it. What a kernel lists is the same in both.
  func run() throws {
    let first = try Boot.hold(setup, asking: [])
    let questions = Self.questions(ListedLeaf.all(in: first.serial), pageBytes)
    #expect(questions.count > 500)
    #expect(questions.contains { $0.physical == nil })
    let second = try Boot.hold(setup, asking: questions.map(\.command))
    #expect(ListedLeaf.all(in: second.serial).map(\.leaf) == ListedLeaf.all(in: first.serial).map(\.leaf))
    let answers = second.monitor.split(separator: "\n").filter {
      $0.hasPrefix("gpa: ") || $0.hasPrefix("Unmapped")
    }
    #expect(answers.count == questions.count, "\(second.monitor.suffix(2_000))")
    for (question, answer) in zip(questions, answers) {
      let expected = question.physical.map { "gpa: 0x\(String($0, radix: 16))" } ?? "Unmapped"
      #expect(answer.hasPrefix(expected), "\(question.command): \(answer), not \(expected)")
    }
  }

  private static func questions(_ leaves: [ListedLeaf], _ pageBytes: UInt64) -> [Question] {
    let starts = Set(leaves.map(\.leaf.address))
    return leaves.flatMap { listed in
      let count = listed.pages * pageBytes
      let (leaf, behind) = (listed.leaf, listed.leaf.address &+ count)
      let inside = [
        Question(address: leaf.address, physical: leaf.frame),
        Question(address: behind &- 1, physical: leaf.frame + count - 1),
      ]
      return starts.contains(behind) || behind == 0
        ? inside : inside + [Question(address: behind, physical: nil)]
    }
  }
}
