import BareMetal

// What Swift's library asks a platform for besides a heap.

/// Random bytes, with which dictionaries and sets seed their hashes. From the time stamp, stirred
/// (splitmix64: G. Steele and others, 2014): it differs from boot to boot, and no more is promised. Whoever
/// takes keys from somebody hostile needs a better source.
@c(arc4random_buf)
public func randomBytes(_ bytes: UnsafeMutableRawPointer, _ count: Int) {
  var state = TimeStamp.now
  for index in 0..<count {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    unsafe bytes.storeBytes(of: UInt8(truncatingIfNeeded: word >> 56), toByteOffset: index, as: UInt8.self)
  }
}

/// A character of `print`.
@c(putchar)
public func putCharacter(_ character: Int32) -> Int32 {
  var console = SerialPort.console
  console.write(UInt8(truncatingIfNeeded: character))
  return character
}
