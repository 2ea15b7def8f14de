#!/usr/bin/env bash
# Every test: those of what the scripts compute, the hosted ones, random inputs of the fuzz target, those of the nested
# kernel package, which boot it under QEMU, then the tool for Linux hosts.
# The last line is the sum, "N passed, M failed"; the exit status is not zero when M is not.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source Scripts/suite.sh

suite "figures tests" Benchmarks/Figures/.build -- --package-path Benchmarks/Figures
suite "unit tests" .build --skip HeavyTests --
suite "ablation tests" .build-ablations --filter AblationTests -- --traits Ablations
suite "tests under ThreadSanitizer" .build-tsan --filter 'FreeThreadTests|SlabConcurrencyTests|QuotaTests' -- \
  --sanitize=thread -Xlinker --wrap=__tsan_external_write
suite "heavy tests" .build-release --filter HeavyTests -- "${optimised[@]}"
suite "fuzz tests" Fuzzing/.build-release -- --package-path Fuzzing "${optimised[@]}"

if ! Scripts/setup.sh; then
  complain "test: the tests that boot the kernel are skipped"
elif Scripts/kernel.sh build; then
  VMALLOC_KERNEL=$(Scripts/kernel.sh path)
  export VMALLOC_KERNEL
  if VMALLOC_CONFIGURATION=debug Scripts/kernel.sh build; then
    VMALLOC_DEBUG_KERNEL=$(VMALLOC_CONFIGURATION=debug Scripts/kernel.sh path)
    export VMALLOC_DEBUG_KERNEL
  else
    say "unoptimised kernel: does not build"
    failed_total=$((failed_total + 1))
  fi
else
  say "kernel: does not build"
  failed_total=$((failed_total + 1))
fi
suite "kernel tests" Kernel/.build-release -- --package-path Kernel "${optimised[@]}"
# Behind the kernel's build: one of them boots it, and reads what it says.
suite "tool tests" Tool/.build-release -- --package-path Tool "${optimised[@]}"

say "$passed_total passed, $failed_total failed"
[ "$failed_total" -eq 0 ]
