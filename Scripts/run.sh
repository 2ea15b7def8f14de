#!/usr/bin/env bash
# The main job: replays a recorded Linux boot on the package, in a kernel under QEMU or, with
# MACHINE=simulated or where there is no QEMU, on the simulated machine (MainJob.swift in Benchmarks/Figures). Exit
# status 0 if every page was right, 2 if what was asked for makes no sense or the trace is none.
#
#   MACHINE=simulated  TRACE=path  LAPS=n  LISTING=all  MEMORY=MiB  CPUS=n  LEVELS=n  GRANULE=4K|16K|64K
#   ARCH=aarch64|riscv64  CPU=name  GIC=2|3
#
# The job runs on one CPU; the others of a booted kernel idle and serve its flush requests. LEVELS is how many
# levels of page tables there are, 4 or 5, and on RISC-V 3, too; GRANULE the size of a page on AArch64, 4K, 16K or 64K.
# ARCH is the architecture, x86_64, aarch64 or riscv64, CPU a model that its emulator knows, and GIC the version of
# AArch64's interrupt controller.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

task run
