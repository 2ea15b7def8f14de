#!/usr/bin/env bash
# Builds the bootable kernel, and runs it under QEMU.
#
#   Scripts/kernel.sh build                    build it
#   Scripts/kernel.sh run [QEMU arguments...]  run what was built
#   Scripts/kernel.sh path                     print where it is
#
# ARCH in the environment is the architecture, x86_64 (the default), aarch64 or riscv64.
#
# The run takes TRACE (a recorded trace, default the one in Examples), MEMORY (MiB, default 4096), CPUS
# (default 1), CPU (its model, default max) and OPTIONS (the kernel's command line) from the environment; on x86-64 and
# RISC-V also LEVELS (of page tables, default 4), on AArch64 GRANULE (the size of a page, 4K, the default, 16K or 64K)
# and GIC (the interrupt controller's version, 2 or 3; default 2 for up to eight CPUs).
#
# The kernel leaves by isa-debug-exit, which turns a value into the process status (value << 1) | 1, or by semihosting
# with the same status. This script makes 0 of a success and keeps the others: 35 the job found something wrong,
# 37 an unexpected exception, 39 a panic, 41 bad input.
#
# With VMALLOC_CONFIGURATION=debug all three are about an unoptimised kernel, which has the core's assertions in it.
#
# With VMALLOC_CONTENTION=1 all three are about another kernel, in a folder of its own, which pauses in locks
# and counts updates (Sources/CMachine/include/CMachine.h): for Scripts/bench.sh, and of no other use.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

arch=${ARCH:-x86_64}
case $arch in
  x86_64)
    triple=x86_64-unknown-none-elf
    scratch=.build-kernel
    ;;
  aarch64)
    triple=aarch64-none-none-elf
    scratch=.build-kernel-aarch64
    ;;
  riscv64)
    triple=riscv64-none-none-eabi
    scratch=.build-kernel-riscv64
    ;;
  *) die "kernel: ARCH is x86_64, aarch64 or riscv64, not \"$arch\"" 2 ;;
esac
usual_cpu=max
if [ "$arch" = riscv64 ]; then usual_cpu=rv64; fi
toolset=toolset-$arch.json
linker_script=$arch.ld
emulator=qemu-system-$arch
scratch=${VMALLOC_KERNEL_SCRATCH:-$scratch}
configuration=${VMALLOC_CONFIGURATION:-release}
defines=()
if [ -n "${VMALLOC_CONTENTION:-}" ]; then
  scratch=$scratch-contention
  defines=(-Xcc -DCMACHINE_CONTENTION)
fi
product=Kernel
success=33

# Of the folder Kernel, where the build runs: the linker looks for its script from there.
image() { printf '%s\n' "$PWD/Kernel/$scratch/$triple/$configuration/$product"; }

# What the emulator loads: of AArch64 the bytes alone, since it gives no device tree to an ELF file.
loaded_image() {
  if [ "$arch" = aarch64 ]; then printf '%s.img\n' "$(image)"; else image; fi
}

# SwiftPM tracks neither the toolset nor the linker script: when one changes, what was built with it
# goes away.
remove_stale() {
  local stamp=$scratch/inputs.checksum now
  now=$(cat "$toolset" "$linker_script" | cksum)
  if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$now" ]; then rm -rf "${scratch:?}/$triple"; fi
  mkdir -p "$scratch"
  printf '%s\n' "$now" >"$stamp"
}

# What Swift's strings need to be compared and hashed; the linker takes of it what is used.
unicode_tables() {
  printf '%s\n' "$(toolchain_bin)/../lib/swift/embedded/$triple/libswiftUnicodeDataTables.a"
}

# Nothing in the kernel walks frames by their pointers, so none are kept.
build() {
  local elf loaded
  elf=$(image)
  loaded=$(loaded_image)
  cd Kernel
  remove_stale
  VMALLOC_BARE_METAL=$arch swift_build -c "$configuration" --build-system native --triple "$triple" \
    --omit-frame-pointers --toolset "$toolset" --scratch-path "$scratch" --product "$product" \
    "${defines[@]}" -Xlinker "$(unicode_tables)"
  if [ "$loaded" != "$elf" ]; then "$(toolchain_bin)/llvm-objcopy" -O binary "$elf" "$loaded"; fi
}

# machine: the emulator's arguments for the architecture, a line each.
machine() {
  case $arch in
    x86_64) printf '%s\n' -device isa-debug-exit,iobase=0xf4,iosize=4 ;;
    aarch64)
      local gic=2
      if [ "${CPUS:-1}" -gt 8 ]; then gic=3; fi
      printf '%s\n' -machine "virt,dtb-randomness=off,gic-version=${GIC:-$gic}" -semihosting -nic none
      ;;
    riscv64) printf '%s\n' -machine virt -nic none ;;
  esac
}

run() {
  local trace=${TRACE:-Examples/traces/debian-6.12-boot/trace.txt} status=0
  [ -f "$(loaded_image)" ] || die "kernel: not built yet; run: Scripts/kernel.sh build" 2
  [ -f "$trace" ] || die "kernel: no trace at $trace" 2
  command -v "$emulator" >/dev/null || die "kernel: $emulator is missing" 2
  local arguments tables="levels=${LEVELS:-4}"
  mapfile -t arguments < <(machine)
  if [ "$arch" = aarch64 ]; then tables="granule=${GRANULE:-4K}"; fi
  "$emulator" -accel tcg -cpu "${CPU:-$usual_cpu}" -m "${MEMORY:-4096}" -smp "${CPUS:-1}" \
    -display none -serial stdio -monitor none -no-reboot "${arguments[@]}" \
    -kernel "$(loaded_image)" -initrd "$trace" -append "$tables ${OPTIONS:-}" "$@" || status=$?
  if [ "$status" -eq "$success" ]; then return 0; fi
  # QEMU's own status for a guest that shut down or reset is 0, and that is no success here.
  if [ "$status" -eq 0 ]; then die "kernel: the machine was reset (a triple fault?)" 1; fi
  return "$status"
}

case ${1:-} in
  build | run)
    "$@"
    ;;
  path) image ;;
  *) die "usage: Scripts/kernel.sh build | run [QEMU arguments...] | path" 2 ;;
esac
