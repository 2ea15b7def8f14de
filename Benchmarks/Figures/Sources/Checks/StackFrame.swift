/// A function's frame: what it subtracts from its stack pointer at once.
public struct StackFrame: Equatable {
  /// Nil where it is known only when the function runs.
  public let bytes: Int?
  public let function: Substring

  /// All of them, from what `llvm-objdump --disassemble --no-show-raw-insn` prints for x86-64, for AArch64
  /// and for RISC-V.
  public static func all(disassembly text: String) -> [StackFrame] {
    var reader = FrameReader()
    for line in text.split(separator: "\n") { reader.read(line) }
    reader.endSum()
    return reader.frames
  }
}

private struct FrameReader {
  private(set) var frames: [StackFrame] = []
  private var function: Substring = ""
  /// AArch64 subtracts more than 4,095 bytes in two steps that follow each other, one of them shifted.
  private var sum = 0
  /// RISC-V subtracts up to 2,048 bytes at once, and the rest of a large frame by a register that is made
  /// before. AArch64 makes a register of the stack pointer less the frame, where the frame has to be aligned.
  private var pushed = 0
  private var made: [Substring: Int] = [:]

  mutating func read(_ line: Substring) {
    if line.hasSuffix(">:"), let heading = line.wholeMatch(of: /[0-9a-f]+ <(.*)>:/) {
      endSum()
      (function, pushed, made) = (heading.1, 0, [:])
      return
    }
    // Of an instruction its name, and its operands.
    let fields = line.split(separator: "\t", maxSplits: 2)
    guard fields.count == 3 else { return endSum() }
    let name = fields[1].filter { $0 != " " }
    // Most instructions do nothing of the kind.
    let isMeant = ["sub", "subq", "addi", "addiw", "lui", "li", "slli", "and"].contains(name)
    let operands = isMeant ? Self.operands(fields[2]) : []
    guard operands.count > 1 else { return endSum() }
    let isOfStack = operands.count > 2 && operands[..<2] == ["sp", "sp"]
    if name == "sub", operands.count > 2, operands[2].first == "#" {
      let bytes = (Self.number(operands[2].dropFirst()) ?? 0) << (operands.last == "lsl #12" ? 12 : 0)
      if isOfStack {
        sum += bytes
      } else {
        endSum()
        subtract(bytes, operands)
      }
      return
    }
    endSum()
    switch name {
    case "lui": made[operands[0]] = Self.number(operands[1]).map { $0 << 12 }
    case "li": made[operands[0]] = Self.number(operands[1])
    case "slli": shift(operands)
    case "addi", "addiw": add(operands)
    case "sub" where isOfStack: note(made[operands[2]].map { pushed + $0 })
    case "and" where operands[0] == "sp": note(made[operands[1]])
    case "sub", "subq":
      if operands.last == "%rsp" {
        note(operands[0].first == "$" ? Self.number(operands[0].dropFirst()) : nil)
      }
    default: break
    }
  }

  private mutating func add(_ operands: [Substring]) {
    guard operands.count == 3, operands[0] == operands[1], let value = Self.number(operands[2]) else {
      made[operands[0]] = nil
      return
    }
    if operands[0] != "sp" {
      made[operands[0]]? &+= value
    } else if value < 0 {
      pushed = -value
      note(pushed)
    }
  }

  private mutating func shift(_ operands: [Substring]) {
    let count = operands.count == 3 && operands[0] == operands[1] ? Self.number(operands[2]) : nil
    made[operands[0]] = made[operands[0]].flatMap { value in count.map { value << $0 } }
  }

  /// From a register of AArch64, into one that is not the stack pointer.
  private mutating func subtract(_ bytes: Int, _ operands: [Substring]) {
    if operands[1] == "sp" {
      made[operands[0]] = bytes
    } else {
      made[operands[0]] = operands[0] == operands[1] ? made[operands[0]].map { $0 + bytes } : nil
    }
  }

  private mutating func note(_ bytes: Int?) { frames.append(StackFrame(bytes: bytes, function: function)) }

  mutating func endSum() {
    if sum > 0 { note(sum) }
    sum = 0
  }

  /// Without what is said behind them. An operand of AArch64 begins with `#`, too, but no space follows.
  private static func operands(_ text: Substring) -> [Substring] {
    var end = text.endIndex
    for comment in ["# ", "//", "<"] { end = text[..<end].firstRange(of: comment)?.lowerBound ?? end }
    return text[..<end].split(separator: ",").map { field in
      let rest = field.drop(while: \.isWhitespace)
      return rest[..<(rest.lastIndex { !$0.isWhitespace }.map(rest.index(after:)) ?? rest.startIndex)]
    }
  }

  private static func number(_ text: Substring) -> Int? {
    let digits = text.first == "-" ? text.dropFirst() : text
    let value = digits.hasPrefix("0x") ? Int(digits.dropFirst(2), radix: 16) : Int(digits)
    return value.map { text.first == "-" ? -$0 : $0 }
  }
}
