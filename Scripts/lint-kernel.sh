#!/usr/bin/env bash
# Builds the kernel optimised and unoptimised, and proves of both that the guard below each stack catches every
# overflow: no function has a frame larger than the guard (Kernel/x86_64.ld, 32 KiB) less a page. A larger one could
# reach over the guard with its first access. A frame is what a function subtracts from its stack pointer at once; one
# whose size is known only when it runs does not count, and Swift and C make none here.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

limit=$((28 * 1024))
tools=$(toolchain_bin)
failed=0

# frames IMAGE: "BYTES FUNCTION" for each subtraction from the stack pointer. The kernel's own overflow on purpose is
# assembly, and below the limit.
frames() {
  "$tools/llvm-objdump" --disassemble --no-show-raw-insn "$1" | awk '
    # The number in $0x... or $...
    function number(text,   digits, value, place) {
      if (substr(text, 1, 2) != "0x") return text + 0
      digits = "0123456789abcdef"
      for (place = 3; place <= length(text); place++) {
        value = value * 16 + index(digits, substr(text, place, 1)) - 1
      }
      return value
    }
    /^[0-9a-f]+ <.*>:$/ { name = $2; next }
    /subq?[ \t]+[$](0x)?[0-9a-f]+, %rsp/ {
      match($0, /[$](0x)?[0-9a-f]+, %rsp/)
      text = substr($0, RSTART + 1, RLENGTH - 7)
      print number(text), name
    }'
}

for configuration in release debug; do
  export VMALLOC_CONFIGURATION=$configuration
  if ! Scripts/kernel.sh build; then
    say "lint: FAILED  the kernel does not build, $configuration"
    failed=1
    continue
  fi
  image=$(Scripts/kernel.sh path)
  found=$(frames "$image" | sort -rn)
  if [ -z "$found" ]; then die "lint: no frame found in $image"; fi
  largest=${found%%$'\n'*}
  if [ "${largest%% *}" -gt "$limit" ]; then
    say "lint: FAILED  a frame of the kernel, $configuration, is larger than $limit bytes, which the guards below the stacks catch:"
    printf '%s\n' "$found" | awk -v limit="$limit" '$1 > limit { print "  " $0 }' |
      "$tools/swift-demangle" --compact
    failed=1
  else
    say "lint: ok      frames of the kernel, $configuration: at most ${largest%% *} bytes, below the guards' size"
  fi
done
exit "$failed"
