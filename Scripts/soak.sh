#!/usr/bin/env bash
# The long run: the heavy tests with many more rounds (they read VMALLOC_SOAK), then the recorded boot a
# hundred times over, then areas handed from CPU to CPU on a machine with four: 1,000,000 in lazy mode, as
# many in warm mode, and 20,000 strictly flushed. LAPS=n, STRESS=n and STRICT_STRESS=n ask for other numbers.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export VMALLOC_SOAK=1 VMALLOC_TEST_LIMIT=${VMALLOC_TEST_LIMIT:-8h}
source Scripts/suite.sh
# Of the machines that `make run` can be asked for, this one.
export ARCH=x86_64
unset CPU GIC LEVELS

VMALLOC_TESTS=HeavyTests suite "heavy tests, long" .build-release "${asserting[@]}"

if LAPS=${LAPS:-100} Scripts/run.sh; then
  say "soak: replay passed"
else
  say "soak: replay failed"
  failed_total=$((failed_total + 1))
fi
stress() {
  local mode=$1 pairs=$2
  if CPUS=4 OPTIONS="stress=$pairs mode=$mode" Scripts/kernel.sh run; then
    say "soak: stress in mode $mode passed"
  else
    say "soak: stress in mode $mode failed"
    failed_total=$((failed_total + 1))
  fi
}

if ! Scripts/setup.sh; then
  complain "soak: the stress of the booted kernel is skipped"
elif Scripts/kernel.sh build; then
  stress lazy "${STRESS:-1000000}"
  stress warm "${STRESS:-1000000}"
  stress strict "${STRICT_STRESS:-20000}"
else
  say "soak: the kernel does not build"
  failed_total=$((failed_total + 1))
fi
say "$passed_total passed, $failed_total failed"
[ "$failed_total" -eq 0 ]
