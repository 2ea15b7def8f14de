import FuzzBody

/// What libFuzzer's own `main` calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let problem = fuzz([UInt8](UnsafeBufferPointer(start: start, count: count)))
  if let problem { fatalError(problem) }
  return 0
}
