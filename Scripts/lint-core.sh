#!/usr/bin/env bash
# Proves three things of the core, on every bare-metal target:
#
# 1. It allocates nothing: `-no-allocations` makes the compiler refuse all that would reach for a heap.
# 2. It drops no retired memory. A value that holds such memory calls `cmachine_dropped_memory` in its
#    deinit, and no kernel defines that symbol. So the core is linked here as a kernel links it, with
#    every strong global function as a root (weak ones are the Swift runtime's, emitted into each object
#    whether used or not) and with unreachable sections left out. A symbol that is then missing is one
#    that some path needs; the linker names the path. No root are the deinits themselves that do nothing
#    but call the symbol: a public type has one whether or not anything drops it. Generic functions exist
#    only where they are used: those that the kernel uses are proved by its own link.
#
# 3. It has no trace of the mistakes that tests can plant in it (the package trait `Ablations`): no symbol
#    has their name. That this would be seen is shown on a build with the trait.
#
# The link also shows that nothing else is needed: no heap function, no C library but the four
# functions that a compiler may call anywhere.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scratch=.build-lint
tools=$(toolchain_bin)
failed=0

# memcpy and its kin are what LLVM turns loops into on any target. arc4random_buf comes with the
# conformance to Hashable: it seeds the hash of a client that puts our values into a set.
may_be_missing=(memcpy memmove memset memcmp arc4random_buf)

report() {
  local outcome=$1
  shift
  say "lint: $outcome  $*"
  if [ "$outcome" = FAILED ]; then failed=1; fi
}

# build_once TARGET TRIPLE FLAGS...: compiles for a kernel. Sections per function let the linker leave out what
# nothing reaches; the stack protector would ask for symbols that the core has no use for.
build_once() {
  swift build --quiet --target "$1" --triple "$2" --build-system native -c release \
    --scratch-path "$scratch" \
    -Xswiftc -enable-experimental-feature -Xswiftc Embedded -Xswiftc -wmo -Xswiftc -no-allocations \
    -Xswiftc -Xfrontend -Xswiftc -function-sections \
    -Xswiftc -Xfrontend -Xswiftc -disable-stack-protector \
    -Xcc -ffreestanding "${@:3}"
}

# build TARGET TRIPLE FLAGS...: SwiftPM now and then plans by the description of an earlier build, and says that
# a target is not in it; the second time it plans anew.
build() { build_once "$@" || build_once "$@"; }

# objects TRIPLE MODULE...: the object files of these modules that have sources today: an
# incremental build leaves those of deleted files behind.
objects() {
  local triple=$1 module object source
  shift
  for module in "$@"; do
    for object in "$scratch/$triple/release/$module.build"/*.o; do
      source=$(basename "$object" .o)
      if [ -n "$(find "Sources/$module" -name "$source" 2>/dev/null)" ]; then printf '%s\n' "$object"; fi
    done
  done
}

# references OBJECTS...: "FUNCTION SYMBOL" for each symbol that a function's code refers to. Each
# function has a section of its own, named after it.
references() {
  "$tools/llvm-objdump" --reloc "$@" | awk '
    /^RELOCATION RECORDS FOR/ { name = $4; sub(/\]:$/, "", name); next }
    name ~ /^\[\.text\./ && NF == 3 && $1 != "OFFSET" && $3 !~ /^[*]ABS[*]/ {
      sub(/[-+]0x[0-9a-f]+$/, "", $3)
      print substr(name, 8), $3
    }'
}

# guards OBJECTS...: the deinits that refer to the symbol of dropped memory and to nothing else.
guards() {
  references "$@" | awk '
    $1 ~ /fD$/ { if ($2 == "cmachine_dropped_memory") calls[$1] = 1; else others[$1] = 1 }
    END { for (name in calls) if (!(name in others)) print name }'
}

# droppers OBJECTS...: the functions that call such a deinit, or have it inlined.
droppers() {
  references "$@" | awk '
    !code { guard[$1] = 1; next }
    ($2 == "cmachine_dropped_memory" || $2 in guard) && !($1 in guard) { print $1 }' \
    <(guards "$@") code=1 - | sort -u
}

# roots OBJECTS...: an option per root for the linker.
roots() {
  "$tools/llvm-nm" --defined-only --extern-only --no-weak "$@" | awk '$2 == "T" { print $3 }' |
    grep -vxF -f <(guards "$@") | sed 's/^/-u /'
}

# link TRIPLE OBJECTS...: succeeds if nothing but the allowed symbols is missing.
link() {
  local out="$scratch/$1" missing=() symbol
  shift
  roots "$@" >"$out/roots" || {
    complain "error: no function found in the objects"
    return 1
  }
  for symbol in "${may_be_missing[@]}"; do missing+=(--defsym "$symbol=0"); done
  "$tools/ld.lld" --gc-sections --entry 0 --error-limit=0 -o "$out/proof" "@$out/roots" "${missing[@]}" "$@"
}

# traces OBJECTS...: the symbols of planted mistakes.
traces() { "$tools/llvm-nm" "$@" | awk 'NF > 1 && /blation/'; }

# explain LOG OBJECTS...: the cause in words, then the linker's own.
explain() {
  local log=$1
  shift
  if grep -q 'undefined symbol: cmachine_dropped_memory' "$log"; then
    say "  cause: retired memory is dropped without a completed flush (cmachine_dropped_memory), in"
    droppers "$@" | "$tools/swift-demangle" --compact | sed 's/^/    /'
  fi
  if grep -qE 'undefined symbol: (posix_memalign|free|malloc|swift_slow)' "$log"; then
    say "  cause: a path reaches for a heap"
  fi
  "$tools/swift-demangle" --compact <"$log" | sed 's/^/  /'
}

# check TRIPLE MODULE...: builds the modules for the triple and links them together.
check() {
  local triple=$1 module log="$scratch/$1.log" built=()
  shift
  mkdir -p "$scratch"
  for module in "$@"; do
    if ! build "$module" "$triple" >"$log" 2>&1; then
      report FAILED "$module does not build for $triple without allocations"
      grep -E 'error|warning|note' "$log" | sort -u | sed 's/^/  /'
      return
    fi
  done
  mapfile -t built < <(objects "$triple" "$@")
  if [ -n "$(traces "${built[@]}")" ]; then
    report FAILED "$* for $triple: mistakes that tests plant are in it"
    traces "${built[@]}" | sed 's/^/  /'
  fi
  if link "$triple" "${built[@]}" >"$log" 2>&1; then
    report "ok    " "$* for $triple: allocates nothing, drops no retired memory"
  else
    report FAILED "$* for $triple: the link lacks a symbol that no kernel defines"
    explain "$log" "${built[@]}"
  fi
}

# check_traces TRIPLE: with the trait the core has symbols of planted mistakes, so that without it their
# absence means something.
check_traces() {
  local triple=$1 scratch=$scratch/ablations built=() log
  log=$scratch/$1.log
  mkdir -p "$scratch"
  if build KernelMemory "$triple" --traits Ablations >"$log" 2>&1; then
    mapfile -t built < <(objects "$triple" KernelMemory)
    if [ -n "$(traces "${built[@]}")" ]; then
      report "ok    " "planted mistakes would be seen by their symbols, and the core has none"
      return
    fi
  fi
  report FAILED "a build with planted mistakes shows no symbol of them"
  grep -E 'error|warning' "$log" | sort -u | sed 's/^/  /'
}

check x86_64-unknown-none-elf KernelMemory BareMetal
# The heap must not be its own customer.
check x86_64-unknown-none-elf KernelMemory RuntimeHeap
check aarch64-none-none-elf KernelMemory BareMetal
check riscv64-none-none-eabi KernelMemory BareMetal
check_traces x86_64-unknown-none-elf
exit "$failed"
