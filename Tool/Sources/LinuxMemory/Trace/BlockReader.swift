#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Reads a file in blocks of whole lines, in one pass: a line that lies across two blocks moves to the front
/// of the second, and the buffer grows for one that is longer than a block.
struct BlockReader: ~Copyable {
  private let name: String
  private let descriptor: Int32
  private let closes: Bool
  private var buffer: [UInt8]
  private var count = 0
  /// The bytes of the file, or nil where it is a pipe.
  let byteCount: Int?
  private(set) var bytesRead = 0

  /// - Parameter block: bytes that are read at a time.
  init(path: String, block: Int = 1 << 20) throws(InputError) {
    name = path == "-" ? "standard input" : path
    closes = path != "-"
    descriptor = path == "-" ? 0 : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw InputError.fromErrno(path, errno) }
    var status = stat()
    let isFile = unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    byteCount = isFile ? Int(status.st_size) : nil
    buffer = [UInt8](repeating: 0, count: max(1, block))
  }

  deinit {
    if closes, descriptor >= 0 { close(descriptor) }
  }

  /// Calls `body` with whole lines, and at the end with a last line that has no end, if there is one.
  mutating func forEachBlock(_ body: (UnsafeRawBufferPointer, _ bytesRead: Int) throws -> Void) throws {
    var searched = 0
    while try fill() {
      // What was searched before has no end of a line in it: a long line is searched once, however it comes.
      let lines = buffer[searched..<count].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      guard lines > 0 else {
        try refuseBinary(from: searched)
        searched = count
        continue
      }
      let bytesRead = bytesRead
      try unsafe buffer.withUnsafeBytes {
        try unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<lines]), bytesRead)
      }
      buffer.replaceSubrange(0..<count - lines, with: buffer[lines..<count])
      count -= lines
      searched = count
    }
    guard count > 0 else { return }
    let (bytesRead, rest) = (bytesRead, count)
    try unsafe buffer.withUnsafeBytes {
      try unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<rest]), bytesRead)
    }
  }

  /// A line as long as a block that has a byte of zero is of no text, and may have no end at all.
  private func refuseBinary(from start: Int) throws(InputError) {
    if count < 1 << 16 || !buffer[start..<count].contains(0) { return }
    throw .unsuitable(name, "it is no text: it has bytes of zero, and lines that do not end")
  }

  /// Reads more behind what is there; false at the end of the file.
  private mutating func fill() throws(InputError) -> Bool {
    if count == buffer.count { buffer.append(contentsOf: [UInt8](repeating: 0, count: count)) }
    let (descriptor, offset) = (descriptor, count)
    let got = unsafe buffer.withUnsafeMutableBytes { bytes in
      var got = 0
      repeat {
        got = unsafe read(descriptor, bytes.baseAddress.map { unsafe $0 + offset }, bytes.count - offset)
      } while got < 0 && errno == EINTR
      return got
    }
    guard got >= 0 else { throw InputError.fromErrno(name, errno) }
    count += got
    bytesRead += got
    return got > 0
  }
}
