// Lines of a file, a pipe or a buffer as spans of bytes, in one pass.
//
// The file is read in large chunks into one buffer, and a line is a span into it: no line is copied but the
// one that lies across two chunks, whose beginning moves to the front. The buffer grows for a longer line, so
// that there is no limit to one. A chunk of 256 KiB is past the point where a system call's cost can be seen,
// and still fits a second-level cache.

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Reads lines from a file descriptor that it closes, or from memory.
public struct LineReader: ~Copyable {
  /// The name for messages: a path, or "standard input".
  public let name: String
  private let descriptor: Int32
  private let closes: Bool
  private var buffer: [UInt8]
  private var end: Int
  /// The number of bytes handed out so far, line ends included.
  public private(set) var byteCount = 0

  private static let chunk = 256 << 10

  /// Opens a file; `-` is standard input.
  public init(path: String) throws(InputError) {
    if path == "-" {
      self.init(descriptor: 0, name: "standard input")
    } else {
      let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
      if opened < 0 { throw InputError.fromErrno(path, errno) }
      self.init(descriptor: opened, name: path, closes: true)
    }
  }

  /// Reads a descriptor, which stays open unless `closes` is set.
  init(descriptor: Int32, name: String, closes: Bool = false) {
    self.name = name
    self.descriptor = descriptor
    self.closes = closes
    buffer = [UInt8](repeating: 0, count: Self.chunk)
    end = 0
  }

  /// Reads what is in memory, as a file of this name.
  public init(_ bytes: [UInt8], name: String = "memory") {
    self.name = name
    descriptor = -1
    closes = false
    buffer = bytes
    end = bytes.count
  }

  deinit {
    if closes { close(descriptor) }
  }

  /// Calls `body` with every line, without its newline, and its number, from 1.
  ///
  /// The span is valid during the call only. What `body` throws is passed on, and the rest is not read.
  public mutating func forEachLine(_ body: (Span<UInt8>, Int) throws -> Void) throws {
    var number = 0
    var begin = 0
    while true {
      while let newline = firstNewline(from: begin) {
        number += 1
        byteCount += newline + 1 - begin
        try body(buffer.span.extracting(begin..<newline), number)
        begin = newline + 1
      }
      try refuseBinary(from: begin, number + 1)
      let isMore = try fill(keeping: begin)
      begin = 0
      if !isMore { break }
    }
    if begin < end {
      number += 1
      byteCount += end - begin
      try body(buffer.span.extracting(begin..<end), number)
    }
  }

  /// A line that has no end in a whole chunk may be one from which newlines were lost. With a byte of zero in
  /// it, it is of no text, and may go on for ever, as /dev/zero does.
  private func refuseBinary(from begin: Int, _ number: Int) throws(InputError) {
    guard end - begin >= Self.chunk,
      unsafe buffer.withUnsafeBytes({ bytes in
        unsafe bytes.baseAddress.map { unsafe memchr($0 + begin, 0, Self.chunk) != nil } ?? false
      })
    else { return }
    throw .unsuitable(name, "line \(number) is no text: it has bytes of zero, and no end")
  }

  /// How far the search for a newline has come, so that a line across many chunks is searched once.
  private var searched = 0

  private mutating func firstNewline(from begin: Int) -> Int? {
    let from = max(begin, searched)
    let limit = end
    let found: Int? = unsafe buffer.withUnsafeBytes { bytes in
      guard from < limit, let base = bytes.baseAddress,
        let hit = unsafe memchr(base + from, 0x0A, limit - from)
      else { return nil }
      return unsafe hit - UnsafeMutableRawPointer(mutating: base)
    }
    searched = found.map { $0 + 1 } ?? limit
    return found
  }

  /// Moves the unfinished line to the front and reads behind it; false at the end of the file.
  private mutating func fill(keeping begin: Int) throws(InputError) -> Bool {
    let kept = end - begin
    let room = max(Self.chunk, kept)
    if begin > 0 {
      unsafe buffer.withUnsafeMutableBytes { bytes in
        if let base = bytes.baseAddress { unsafe _ = memmove(base, base + begin, kept) }
      }
    }
    if descriptor >= 0, buffer.count < kept + room {
      buffer.append(contentsOf: repeatElement(0, count: kept + room - buffer.count))
    }
    end = kept
    searched = kept
    if descriptor < 0 { return false }
    let count = readSome(at: kept)
    if count < 0 { throw InputError.fromErrno(name, errno) }
    end += count
    return count > 0
  }

  private mutating func readSome(at offset: Int) -> Int {
    let descriptor = descriptor
    return unsafe buffer.withUnsafeMutableBytes { bytes in
      var count = 0
      repeat {
        count = unsafe read(descriptor, bytes.baseAddress.map { unsafe $0 + offset }, bytes.count - offset)
      } while count < 0 && errno == EINTR
      return count
    }
  }
}
