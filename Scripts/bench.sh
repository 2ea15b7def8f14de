#!/usr/bin/env bash
# Counts instructions per operation into .build/bench.json, and prints them beside those of Linux (Bench.swift in
# Benchmarks/Figures); then pairs per second on threads of the host.
#
#   MODES="strict lazy warm"  BENCH_CPUS="1 2"  GROWTH=no (without the runs that take 8 GiB)
#   CONTENTION=no (without the runs of the kernel that is built to count what CPUs share)
#   PORTS=no (without AArch64 and RISC-V)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

task bench
