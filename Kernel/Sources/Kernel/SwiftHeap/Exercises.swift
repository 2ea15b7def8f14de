// What Swift code does with a heap, one exercise a feature. Each says whether what it saw was right; all
// of them together touch every kind of object that Embedded Swift 6.3 has.

enum Exercises {
  static var count: Int { 9 }

  static func name(_ index: Int) -> StaticString {
    switch index {
    case 0: "classes"
    case 1: "chains"
    case 2: "enums"
    case 3: "arrays"
    case 4: "copies"
    case 5: "dictionaries"
    case 6: "sets"
    case 7: "strings"
    default: "closures"
    }
  }

  static func run(_ index: Int, _ round: Int, _ census: Census) -> Bool {
    switch index {
    case 0: classes(round, census)
    case 1: chains(round, census)
    case 2: enums(round, census)
    case 3: arrays(round)
    case 4: copies(round)
    case 5: dictionaries(round)
    case 6: sets(round)
    case 7: strings(round)
    default: closures(round, census)
    }
  }
}

extension Exercises {
  /// Inheritance, dynamic dispatch, casts, identity.
  private static func classes(_ round: Int, _ census: Census) -> Bool {
    var shapes: [Shape] = []
    for number in 0..<10 {
      shapes.append(number % 2 == 0 ? Shape(number: number, census) : Square(number: number + round, census))
    }
    var isRight = true
    for (number, shape) in shapes.enumerated() {
      let square = shape as? Square
      isRight = isRight && (square != nil) == (number % 2 == 1)
      isRight = isRight && shape.area() == (number % 2 == 0 ? number : (number + round) * (number + round))
      isRight = isRight && (square?.corners.count ?? 4) == 4
    }
    let same = shapes[3]
    return isRight && same === shapes[3] && same !== shapes[4]
  }

  /// A deinit that ends the next object, to some depth.
  private static func chains(_ round: Int, _ census: Census) -> Bool {
    let length = 1 + round % 50
    let before = census.made
    var head: Link?
    for _ in 0..<length { head = Link(next: head, census) }
    let isRight = head?.length == length && census.made - before >= UInt(length)
    head = nil
    return isRight
  }

  private static func enums(_ round: Int, _ census: Census) -> Bool {
    let shape = Shape(number: round, census)
    let square = Square(number: round + 1, census)
    let figures: [Figure] = [.shape(shape), .square(square), .pair(shape, square), .nothing]
    var sum = 0
    for figure in figures { sum += figure.area }
    return sum == 2 * (round + (round + 1) * (round + 1))
  }

  /// Growth, from a few bytes to some pages, and back.
  private static func arrays(_ round: Int) -> Bool {
    let count = 1 + round * 37 % 5_000
    var numbers: [Int] = []
    for number in 0..<count { numbers.append(number ^ round) }
    var isRight = numbers.count == count
    for (index, number) in numbers.enumerated() { isRight = isRight && number == index ^ round }
    numbers.removeFirst(count / 2)
    numbers.insert(-1, at: 0)
    let nested = Array(repeating: numbers, count: 3)
    return isRight && numbers.count == count - count / 2 + 1 && nested[2][0] == -1
      && numbers.sorted().first == -1
  }

  /// An array that is shared is copied before it is written to.
  private static func copies(_ round: Int) -> Bool {
    var first = Array(repeating: round, count: 100)
    let second = first
    first[50] = -1
    var third = second
    third.append(7)
    return first[50] == -1 && second[50] == round && third[50] == round && second.count == 100
      && third.count == 101
  }

  private static func dictionaries(_ round: Int) -> Bool {
    let count = 1 + round % 200
    var squares: [Int: Int] = [:]
    var names: [String: Int] = [:]
    for number in 0..<count {
      squares[number] = number * number
      names["a name that is number \(number)"] = number
    }
    var isRight = squares.count == count && names.count == count
    for number in 0..<count {
      isRight = isRight && squares[number] == number * number
      isRight = isRight && names["a name that is number \(number)"] == number
    }
    for number in 0..<count where number % 2 == 0 { squares[number] = nil }
    return isRight && squares.count == count / 2 && squares[0] == nil && names["no name at all"] == nil
  }

  private static func sets(_ round: Int) -> Bool {
    let even = Set((0..<100).map { $0 * 2 })
    let third = Set((0..<100).map { $0 * 3 + round * 600 })
    let both = even.intersection(third)
    for number in both where number % 6 != 0 { return false }
    return even.union(third).count == 200 - both.count && (round > 0 || both.count == 34)
  }

  /// Interpolation, concatenation, comparison, slices; the short ones need no memory, the long ones do.
  private static func strings(_ round: Int) -> Bool {
    let short = "round \(round)"
    var long = "a string of more than fifteen bytes, in "
    long += short
    let again = "a string of more than fifteen bytes, in round \(round)"
    let copy = long
    long += "!"
    return copy == again && long != again && long.utf8.count == again.utf8.count + 1 && long.hasSuffix("!")
      && copy < long && Array(copy.utf8) == Array(again.utf8) && again.split(separator: " ").count == 10
      && "Zu\u{0308}rich" == "Z\u{fc}rich" && "Zu\u{0308}rich".count == 6
  }

  /// Closures that capture: constants, variables that they change, and objects.
  private static func closures(_ round: Int, _ census: Census) -> Bool {
    var total = 0
    let add = { (amount: Int) in total += amount }
    for amount in 0..<10 { add(amount) }
    let counters = (0..<5).map { makeCounter(from: $0 + round) }
    for counter in counters { _ = counter() }
    var sum = 0
    for counter in counters { sum += counter() }
    let square = Square(number: round, census)
    let compute = { square.area() + square.corners[3] }
    return total == 45 && sum == 20 + 5 * round && compute() == round * round + round + 3
  }

  private static func makeCounter(from start: Int) -> () -> Int {
    var next = start
    return {
      next += 1
      return next
    }
  }
}
