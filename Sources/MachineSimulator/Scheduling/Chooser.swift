/// One way to go on.
struct Option {
  /// What a thread does before it goes on.
  enum Event: Equatable {
    case nothing
    /// It takes the pending interrupt of its CPU.
    case notification
    /// A device interrupts its CPU.
    case deviceInterrupt
    case nmi
    /// It and another thread change CPUs.
    case migration(with: Int)
  }
  var thread: Int
  var event: Event
  /// How many preemptions that is.
  var preemptions: Int

  var isMigration: Bool {
    if case .migration = event { true } else { false }
  }
}

/// Chooses among options, of which there are two or more; the first is to go on as before.
protocol Chooser: AnyObject {
  func begin()
  func choose(_ options: [Option]) -> Int
  /// The choices since `begin`.
  var choices: [Int] { get }
  /// Whether a choice that has to be repeated was not there.
  var hasDiverged: Bool { get }
}

/// A choice at random. How likely a CPU is to go on differs by run, since some mistakes need many
/// changes in a row and others one change after a long stretch.
final class RandomChooser: Chooser {
  private(set) var choices: [Int] = []
  let hasDiverged = false
  private var random: SplitMix64
  private let stay: UInt64

  init(seed: UInt64) {
    random = SplitMix64(state: seed)
    stay = [0, 128, 224, 252][Int(random.next() % 4)]
  }

  func begin() {}

  func choose(_ options: [Option]) -> Int {
    let stays = options[0].preemptions < options[1].preemptions && random.next() % 256 < stay
    let choice = stays ? 0 : Int(random.next() % UInt64(options.count))
    choices.append(choice)
    return choice
  }
}

/// Depth first: repeats the choices so far and goes on with the first option each time; `advance` then
/// turns to the next option of the last choice that has one left.
final class DepthFirstChooser: Chooser {
  private struct Decision {
    var choice: Int
    /// The options that do not take too many preemptions; nil for a choice that is to be repeated, whatever
    /// else there is.
    var options: [Int]?
  }

  private let preemptions: Int
  private var decisions: [Decision] = []
  private var depth = 0
  private var spent = 0
  private var hadOtherOptions = false

  init(preemptions: Int?, choices: [Int] = []) {
    self.preemptions = preemptions ?? .max
    decisions = choices.map { Decision(choice: $0, options: nil) }
  }

  var choices: [Int] { decisions.prefix(depth).map(\.choice) }

  /// Either a choice was not there, or the run ended before all were made.
  var hasDiverged: Bool { hadOtherOptions || depth < decisions.count }

  func begin() {
    depth = 0
    spent = 0
  }

  func choose(_ options: [Option]) -> Int {
    // Never empty: the first option takes none.
    let affordable = options.indices.filter { options[$0].preemptions <= preemptions - spent }
    if depth == decisions.count { decisions.append(Decision(choice: affordable[0], options: affordable)) }
    var choice = decisions[depth].choice
    if choice >= options.count || decisions[depth].options.map({ $0 != affordable }) ?? false {
      hadOtherOptions = true
      choice = 0
    }
    depth += 1
    spent += options[choice].preemptions
    return choice
  }

  /// - Returns: false when all runs were made.
  func advance() -> Bool {
    while let last = decisions.popLast() {
      if let next = last.options?.first(where: { $0 > last.choice }) {
        decisions.append(Decision(choice: next, options: last.options))
        return true
      }
    }
    return false
  }
}

/// A generator with a seed (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
