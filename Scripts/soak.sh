#!/usr/bin/env bash
# The long run: the heavy tests with many more rounds (they read VMALLOC_SOAK), then the recorded boot a
# hundred times over, then 20,000 areas handed from CPU to CPU, strictly flushed, on a machine with four. LAPS=n and STRESS=n
# ask for other numbers.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export VMALLOC_SOAK=1 VMALLOC_TEST_LIMIT=${VMALLOC_TEST_LIMIT:-8h}
source Scripts/suite.sh

suite "heavy tests, long" .build-release --filter HeavyTests -- "${optimised[@]}"

if LAPS=${LAPS:-100} Scripts/run.sh; then
  say "soak: replay passed"
else
  say "soak: replay failed"
  failed_total=$((failed_total + 1))
fi
if ! Scripts/setup.sh; then
  complain "soak: the stress of the booted kernel is skipped"
elif Scripts/kernel.sh build && CPUS=4 OPTIONS="stress=${STRESS:-20000}" Scripts/kernel.sh run; then
  say "soak: stress passed"
else
  say "soak: stress failed"
  failed_total=$((failed_total + 1))
fi
say "$passed_total passed, $failed_total failed"
[ "$failed_total" -eq 0 ]
