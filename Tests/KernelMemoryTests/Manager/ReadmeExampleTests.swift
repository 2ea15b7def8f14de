import Foundation
import KernelMemory
import MachineSimulator
import Testing

/// The README's example, run, and compared with the README.
@Suite struct ReadmeExampleTests {
  @Test func exampleRuns() throws {
    // README: begin
    let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 64 << 20))
    let bootstrap = try Bootstrap(
      memoryMap: machine.memoryMap, window: machine.linearMap, linearMap: machine.linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
    try machine.loadRoot(bootstrap.root)
    let memory = try bootstrap.start(on: machine.machine, mode: .strict)

    let address = try memory.vmalloc(10_000)  // three pages, wherever their frames lie, and a guard page
    try machine.store(UInt64(42), at: VirtualAddress(address))
    try memory.vfree(address)  // and from here on every access faults, on every CPU
    // README: end
    #expect(throws: Fault.self) { try machine.store(UInt64(42), at: VirtualAddress(address)) }
  }

  @Test func exampleIsTheReadmes() throws {
    let source = try String(contentsOfFile: #filePath, encoding: .utf8)
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    let body = source.components(separatedBy: "    // README: begin\n")[1]
      .components(separatedBy: "    // README: end")[0]
    let example = body.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.hasPrefix("    ") ? String($0.dropFirst(4)) : String($0) }.joined(separator: "\n")
    #expect(readme.contains(example), "the README's example differs from the one that is tested")
  }
}
