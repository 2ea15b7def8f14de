#!/usr/bin/env bash
# Builds the kernel of x86-64, optimised and unoptimised, and those of AArch64 and RISC-V, and proves of each that the guard
# below each stack catches every overflow: no function has a frame larger than the guard (Kernel/*.ld, 32 KiB) less a
# page. A larger one could reach over the guard with its first access. A frame is what a function subtracts from its
# stack pointer at once. One whose size is known only when it runs is refused.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

limit=$((28 * 1024))
tools=$(toolchain_bin)
failed=0

# frames: "BYTES FUNCTION" for each subtraction from the stack pointer in a disassembly, "unknown FUNCTION" where a
# register is subtracted. AArch64 subtracts a frame above 4,095 bytes in two steps, of which one is shifted. The kernel's
# own overflow on purpose is assembly, and below the limit.
frames() {
  awk '
    # The number in 0x... or ...
    function number(text,   digits, value, place) {
      if (substr(text, 1, 2) != "0x") return text + 0
      digits = "0123456789abcdef"
      for (place = 3; place <= length(text); place++) {
        value = value * 16 + index(digits, substr(text, place, 1)) - 1
      }
      return value
    }
    function signed(text) { return substr(text, 1, 1) == "-" ? -number(substr(text, 2)) : number(text) }
    # Cuts the operands of an instruction apart.
    function parse(   text) {
      text = $0
      sub(/[ \t]*(#|<|\/\/).*/, "", text)
      sub(/^[ \t]*[0-9a-f]+:[ \t]+[a-z.]+[ \t]+/, "", text)
      split(text, operand, /,[ \t]*/)
    }
    function flush_sum() {
      if (sum > 0) print sum, name
      sum = 0
    }
    /^[0-9a-f]+ <.*>:$/ { flush_sum(); name = $2; pushed = 0; next }
    /sub[ \t]+sp, sp, #/ {
      match($0, /#(0x)?[0-9a-f]+/)
      sum += number(substr($0, RSTART + 1, RLENGTH - 1)) * ($0 ~ /lsl #12/ ? 4096 : 1)
      next
    }
    { flush_sum() }
    # RISC-V subtracts up to 2,048 bytes at once, and the rest of a large frame by a register that is made before.
    /:[ \t]+lui[ \t]/ { parse(); made[operand[1]] = 4096 * number(operand[2]) }
    /:[ \t]+addiw?[ \t]/ {
      parse()
      if (operand[1] != operand[2]) delete made[operand[1]]
      else if (operand[1] != "sp") made[operand[1]] += signed(operand[3])
      else if (signed(operand[3]) < 0) print pushed = -signed(operand[3]), name
    }
    /:[ \t]+sub[ \t]+sp, sp, [ast][0-9]/ {
      parse()
      print (made[operand[3]] > 0 ? pushed + made[operand[3]] : "unknown"), name
    }
    /subq?[ \t]+[$](0x)?[0-9a-f]+, %rsp/ {
      match($0, /[$](0x)?[0-9a-f]+, %rsp/)
      print number(substr($0, RSTART + 1, RLENGTH - 7)), name
    }
    /subq?[ \t]+%[a-z0-9]+, %rsp/ || /sub[ \t]+sp, sp, [xw]/ { print "unknown", name }
    END { flush_sum() }'
}

# The pattern is tried on what each architecture's disassembler prints, so that a frame which it no longer knows
# is not taken for none.
tried=$(frames <<'DISASSEMBLY' | paste -sd ' '
0000000040200000 <large>:
40200000:      	sub	sp, sp, #0x7, lsl #12   // =0x7000
40200004:      	sub	sp, sp, #0x20
40200008:      	str	x30, [sp]
4020000c:      	sub	sp, sp, x9
0000000000100000 <wide>:
  100000:      	subq	$0x7008, %rsp           # imm = 0x7008
  100007:      	subq	%rax, %rsp
0000000080200000 <long>:
80200000:      	addi	sp, sp, -0x7f0
80200004:      	lui	a6, 0x7
80200008:      	addi	a6, a6, -0x4d0
8020000c:      	sub	sp, sp, a6
80200010:      	sub	sp, sp, a0
DISASSEMBLY
)
[ "$tried" = "28704 <large>: unknown <large>: 28680 <wide>: unknown <wide>: 2032 <long>: 29472 <long>: unknown <long>:" ] ||
  die "lint: the sizes of frames are not read from a disassembly: $tried"

# check_frames ARCHITECTURE CONFIGURATION
check_frames() {
  export ARCH=$1 VMALLOC_CONFIGURATION=$2
  local what="the kernel of $1, $2" image found largest large
  if ! Scripts/kernel.sh build; then
    say "lint: FAILED  $what does not build"
    failed=1
    return
  fi
  image=$(Scripts/kernel.sh path)
  found=$("$tools/llvm-objdump" --disassemble --no-show-raw-insn "$image" | frames | sort -rn)
  if [ -z "$found" ]; then die "lint: no frame found in $image"; fi
  largest=${found%%[ $'\n']*}
  large=$(awk -v limit="$limit" '$1 == "unknown" || $1 > limit { print "  " $0 }' <<<"$found")
  if [ -n "$large" ]; then
    say "lint: FAILED  a frame of $what is larger than $limit bytes, which the guards below the stacks catch:"
    printf '%s\n' "$large" | "$tools/swift-demangle" --compact
    failed=1
  else
    say "lint: ok      frames of $what: at most $largest bytes, below the guards' size"
  fi
}

check_frames x86_64 release
check_frames x86_64 debug
check_frames aarch64 release
check_frames riscv64 release
exit "$failed"
