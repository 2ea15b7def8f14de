import Checks
import Testing

@Suite struct ObjectsTests {
  private let relocations = """

    a.o:	file format elf64-x86-64

    RELOCATION RECORDS FOR [.text.$s1BV fD]:
    RELOCATION RECORDS FOR [.text.$s1BVfD]:
    OFFSET           TYPE                     VALUE
    0000000000000001 R_X86_64_PLT32           cmachine_dropped_memory-0x4

    RELOCATION RECORDS FOR [.text.$s1CVfD]:
    OFFSET           TYPE                     VALUE
    0000000000000001 R_X86_64_PLT32           cmachine_dropped_memory-0x4
    0000000000000009 R_X86_64_PLT32           other+0x10

    RELOCATION RECORDS FOR [.text.caller]:
    OFFSET           TYPE                     VALUE
    0000000000000001 R_X86_64_PLT32           $s1BVfD-0x4
    0000000000000009 R_X86_64_64              *ABS*+0x10

    RELOCATION RECORDS FOR [.text.innocent]:
    OFFSET           TYPE                     VALUE
    0000000000000001 R_X86_64_PLT32           other-0x4

    RELOCATION RECORDS FOR [.rodata]:
    OFFSET           TYPE                     VALUE
    0000000000000001 R_X86_64_64              cmachine_dropped_memory
    """

  /// A deinit that does more than call the symbol is no guard, but drops something.
  @Test func aDeinitThatOnlyCallsIsAGuard() {
    let references = References(relocations: relocations)
    #expect(references.guards == ["$s1BVfD"])
    #expect(references.droppers == ["$s1CVfD", "caller"])
  }

  @Test func strongFunctionsAreRoots() {
    #expect(
      Symbols.functions("0001 T first\n0002 D data\n0003 T second\n     U third\n\na.o:\n") == [
        "first", "second",
      ])
    #expect(Symbols.traces("a.o:\n0001 T $s8AblationO\n0002 t other\n") == ["0001 T $s8AblationO"])
  }

  private func frames(_ disassembly: String) -> [String] {
    StackFrame.all(disassembly: disassembly).map { "\($0.bytes ?? -1) \($0.function)" }
  }

  @Test func framesOfX86AreWhatIsSubtractedAtOnce() {
    let found = frames(
      """
      0000000000100000 <first>:
        100000:      	subq	$0x28, %rsp
        100004:      	addq	$0x28, %rsp
      0000000000100010 <$s6second>:
        100010:      	sub	$4096, %rsp
        100014:      	subq	$0x99, %rax
        100018:      	subq	$0x7008, %rsp           # imm = 0x7008
        10001c:      	subl	$0x8, %eax
        10001f:      	subq	%rax, %rsp
      """)
    #expect(found == ["40 first", "4096 $s6second", "28680 $s6second", "-1 $s6second"])
  }

  @Test func framesOfAArch64AreSubtractedInSteps() {
    let found = frames(
      """
      0000000040200000 <large>:
      40200000:      	sub	sp, sp, #0x7, lsl #12   // =0x7000
      40200004:      	sub	sp, sp, #0x20
      40200008:      	str	x30, [sp]
      4020000c:      	sub	sp, sp, x9
      0000000040200010 <small>:
      40200010:      	sub	sp, sp, #32
      """)
    #expect(found == ["28704 large", "-1 large", "32 small"])
  }

  /// Where a local needs a larger alignment than the stack has.
  @Test func framesOfAArch64AreMadeInARegisterWhereTheyAreAligned() {
    let found = frames(
      """
      0000000040200000 <aligned>:
      40200000:      	sub	x9, sp, #0x7, lsl #12   // =0x7000
      40200004:      	sub	x9, x9, #0x20
      40200008:      	and	sp, x9, #0xffffffffffffffc0
      0000000040200010 <unknown>:
      40200010:      	sub	x9, x8, #0x20
      40200014:      	and	sp, x9, #0xffffffffffffffc0
      0000000040200020 <other>:
      40200020:      	sub	x10, x9, #0x20
      40200024:      	and	x10, x10, #0xf
      """)
    #expect(found == ["28704 aligned", "-1 unknown"])
  }

  @Test func largeFramesOfRISCVAreSubtractedByARegister() {
    let found = frames(
      """
      0000000080200000 <long>:
      80200000:      	addi	sp, sp, -0x7f0
      80200004:      	lui	a6, 0x7
      80200008:      	addi	a6, a6, -0x4d0
      8020000c:      	sub	sp, sp, a6
      80200010:      	sub	sp, sp, a0
      80200014:      	addi	sp, s0, -0x10
      80200018:      	sub	a0, a0, a1
      0000000080200020 <shifted>:
      80200020:      	addi	sp, sp, -0x1f0
      80200022:      	li	a2, 0x1b
      80200024:      	slli	a2, a2, 0x8
      80200026:      	sub	sp, sp, a2
      80200028:      	slli	a2, a3, 0x8
      8020002c:      	sub	sp, sp, a2
      """)
    #expect(found == ["2032 long", "29472 long", "-1 long", "496 shifted", "7408 shifted", "-1 shifted"])
  }
}
