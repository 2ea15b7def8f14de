#!/usr/bin/env bash
# Removes what the other scripts build, and nothing else.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

for package in . Kernel Fuzzing Benchmarks Benchmarks/Figures Tool; do
  for scratch in .build .build-release .build-ablations .build-tsan .build-lint .build-docs .build-kernel \
    .build-kernel-contention .build-kernel-aarch64 .build-kernel-aarch64-contention .build-kernel-riscv64 .build-kernel-riscv64-contention .build-fuzzer .build-models; do
    rm -rf "${package:?}/$scratch"
  done
done
