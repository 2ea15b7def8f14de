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

task kernel "$@"
