import CKernel

// The objects of the test. Each counts its beginning and its end in two words that all CPUs share, so that at
// the end it can be said of every single one that its deinit has run.

/// Objects made, and objects whose deinit has run.
@safe
struct Census {
  private let words: UnsafeMutablePointer<UInt>

  /// `words` are two, cleared.
  @unsafe
  init(_ words: UnsafeMutablePointer<UInt>) { unsafe self.words = words }

  var made: UInt { unsafe kernel_load_word(words) }
  var ended: UInt { unsafe kernel_load_word(words + 1) }

  func begin() { unsafe kernel_add_word(words, 1) }
  func end() { unsafe kernel_add_word(words + 1, 1) }
}

/// A class with a subclass, an overridden method and a deinit.
class Shape {
  let number: Int
  let census: Census

  init(number: Int, _ census: Census) {
    self.number = number
    self.census = census
    census.begin()
  }

  deinit { census.end() }

  /// The subclass has another.
  func area() -> Int { number }
}

final class Square: Shape {
  /// Storage of its own, which ends with the object.
  var corners: [Int]

  override init(number: Int, _ census: Census) {
    corners = [number, number + 1, number + 2, number + 3]
    super.init(number: number, census)
  }

  override func area() -> Int { number * number }
}

/// An enum whose cases carry classes: its tag lies in bits of the pointer that no address uses.
enum Figure {
  case shape(Shape)
  case square(Square)
  case pair(Shape, Square)
  case nothing

  var area: Int {
    switch self {
    case .shape(let shape): shape.area()
    case .square(let square): square.area()
    case .pair(let shape, let square): shape.area() + square.area()
    case .nothing: 0
    }
  }
}

/// A chain, each link owning the next: its end is one deinit inside another.
final class Link {
  let next: Link?
  let census: Census

  init(next: Link?, _ census: Census) {
    self.next = next
    self.census = census
    census.begin()
  }

  deinit { census.end() }

  var length: Int { 1 + (next?.length ?? 0) }
}

/// What is handed from CPU to CPU: text and numbers that must agree.
final class Parcel {
  let sender: Int
  let round: Int
  let text: String
  let numbers: [Int]
  private let census: Census

  init(from sender: Int, round: Int, _ census: Census) {
    self.sender = sender
    self.round = round
    text = Parcel.text(sender, round)
    numbers = Array(round..<round + 1 + round % 40)
    self.census = census
    census.begin()
  }

  deinit { census.end() }

  /// More than the 15 bytes that a string holds without memory.
  private static func text(_ sender: Int, _ round: Int) -> String {
    "a parcel from CPU \(sender), made in round \(round)"
  }

  var isWhole: Bool {
    text == Parcel.text(sender, round) && numbers.count == 1 + round % 40 && numbers.first == round
      && numbers.last == round + round % 40
  }
}
