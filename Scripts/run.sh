#!/usr/bin/env bash
# The main job: replays a recorded Linux boot on the package, in a kernel under QEMU or, with
# MACHINE=simulated or where there is no QEMU, on the simulated machine. Exit status 0 if every page
# was right, 2 if what was asked for makes no sense or the trace is none.
#
#   MACHINE=simulated  TRACE=path  LAPS=n  LISTING=all  MEMORY=MiB  CPUS=n  LEVELS=n  GRANULE=4K|16K|64K
#   ARCH=aarch64|riscv64  CPU=name  GIC=2|3
#
# After the report comes a table that compares kmalloc with vmalloc (Scripts/compare.sh), from short runs of
# its own.
#
# The job runs on one CPU; the others of a booted kernel idle and serve its flush requests. LEVELS is how many
# levels of page tables there are, 4 or 5, and on RISC-V 3, too; GRANULE the size of a page on AArch64, 4K, 16K or 64K.
# ARCH is the architecture, x86_64, aarch64 or riscv64, CPU a model that its emulator knows, and GIC the version of
# AArch64's interrupt controller.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

machine=${MACHINE:-qemu}
export TRACE=${TRACE:-Examples/traces/debian-6.12-boot/trace.txt}
export MEMORY=${MEMORY:-4096}
export CPUS=${CPUS:-1}
export LEVELS=${LEVELS:-4}
export GRANULE=${GRANULE:-4K}
export ARCH=${ARCH:-x86_64}

# The kernel's status for bad input, (20 << 1) | 1; the simulated run says 2.
kernel_bad_input=41

# whole_number NAME VALUE: refuses what is no number above zero.
whole_number() {
  if ! [[ $2 =~ ^[1-9][0-9]{0,8}$ ]]; then die "run: $1 must be a whole number above zero, not \"$2\"" 2; fi
}

case $machine in
  qemu | simulated) ;;
  *) die "run: MACHINE is qemu or simulated, not \"$machine\"" 2 ;;
esac
case $ARCH in
  x86_64 | aarch64 | riscv64) ;;
  *) die "run: ARCH is x86_64, aarch64 or riscv64, not \"$ARCH\"" 2 ;;
esac
if [ "$machine" = simulated ] && [ "$ARCH" != x86_64 ]; then
  die "run: the simulated machine reads the page tables of x86-64 alone; ARCH=$ARCH is for the booted kernel" 2
fi
if [ "$ARCH" = aarch64 ] && [ "$LEVELS" != 4 ]; then die "run: LEVELS is not for ARCH=$ARCH" 2; fi
whole_number LAPS "${LAPS:-1}"
whole_number MEMORY "$MEMORY"
whole_number CPUS "$CPUS"
# In 1 MiB there is no room for the kernel, and the emulator waits for ever.
if [ "$MEMORY" -lt 2 ]; then die "run: MEMORY is at least 2, not \"$MEMORY\"" 2; fi
# As many as a local APIC's ID of 8 bits can tell apart.
if [ "$CPUS" -gt 255 ]; then die "run: CPUS is at most 255, not \"$CPUS\"" 2; fi
# As many as the first range of redistributors of QEMU's GICv3 has room for.
if [ "$ARCH" = aarch64 ] && [ "$CPUS" -gt 123 ]; then
  die "run: CPUS is at most 123 with ARCH=aarch64, not \"$CPUS\"" 2
fi
if [ "$machine" = simulated ] && [ "$CPUS" -gt 1 ]; then
  die "run: CPUS is for the booted kernel; the simulated machine replays on one CPU" 2
fi
case $ARCH-$LEVELS in
  *-4 | *-5 | riscv64-3) ;;
  riscv64-*) die "run: LEVELS is 3, 4 or 5 with ARCH=riscv64, not \"$LEVELS\"" 2 ;;
  *) die "run: LEVELS is 4 or 5, not \"$LEVELS\"" 2 ;;
esac
case ${GIC:-2} in
  2 | 3) ;;
  *) die "run: GIC is 2 or 3, not \"$GIC\"" 2 ;;
esac
case $GRANULE in
  4K | 16K | 64K) ;;
  *) die "run: GRANULE is 4K, 16K or 64K, not \"$GRANULE\"" 2 ;;
esac
if [ "$ARCH" != aarch64 ] && [ "$GRANULE" != 4K ]; then die "run: GRANULE is not for ARCH=$ARCH" 2; fi
case ${LISTING:-} in
  "" | all) ;;
  *) die "run: LISTING is all or nothing, not \"$LISTING\"" 2 ;;
esac
if ! [ -f "$TRACE" ] || ! [ -r "$TRACE" ]; then die "run: cannot read a trace at \"$TRACE\"" 2; fi

if [ "$machine" = qemu ] && ! Scripts/setup.sh; then
  if [ "$ARCH" != x86_64 ]; then exit 1; fi
  complain "run: going on with the simulated machine, on one CPU"
  machine=simulated
fi

# Words for the kernel's command line, and arguments for the simulated run.
words=("laps=${LAPS:-1}")
arguments=(--laps "${LAPS:-1}" --memory "${MEMORY}M" --levels "$LEVELS")
if [ -n "${LISTING:-}" ]; then
  words+=("listing=$LISTING")
  arguments+=(--listing "$LISTING")
fi

status=0
if [ "$machine" = qemu ]; then
  Scripts/kernel.sh build
  OPTIONS="${words[*]}" Scripts/kernel.sh run || status=$?
  if [ "$status" -eq "$kernel_bad_input" ]; then status=2; fi
else
  flags=(--package-path Kernel --scratch-path Kernel/.build-release "${optimised[@]}")
  swift_build "${flags[@]}" --product SimulatedRun
  "$(swift build "${flags[@]}" --show-bin-path)/SimulatedRun" "${arguments[@]}" -- "$TRACE" || status=$?
fi
if [ "$status" -eq 0 ]; then Scripts/compare.sh "$machine" || status=1; fi
exit "$status"
