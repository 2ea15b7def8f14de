#!/usr/bin/env bash
# Counts instructions per operation: boots the kernel with QEMU's instruction counter as its clock,
# which is the same on every machine, in each mode, with one CPU and with two, and merges what it prints
# ("bench NAME INSTRUCTIONS", a line each) into .build/bench.json: a flat object, name to number. What
# was done for a figure is below its line in .build/bench.log. A figure that breaks one of the rules
# which keep figures honest is left out, and the script fails. At the end come a table beside Linux's figures
# (Benchmarks/Figures), and pairs per second on threads of the host (Scripts/host-threads.sh), for
# reading only.
#
#   MODES="strict lazy warm"  BENCH_CPUS="1 2"  GROWTH=no (without the runs that take 8 GiB)
#   CONTENTION=no (without the runs of the kernel that is built to count what CPUs share)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The figures beside which they are printed are those of x86-64.
export ARCH=x86_64
unset CPU GIC LEVELS

out=.build/bench.json
log=.build/bench.log

Scripts/setup.sh
Scripts/kernel.sh build
if [ "${CONTENTION:-yes}" = yes ]; then VMALLOC_CONTENTION=1 Scripts/kernel.sh build; fi
build_figures
mkdir -p .build
rm -f "$out"
: >"$log"

failed=0

# count PART MODE CPUS [MEMORY]: one boot (Kernel/Sources/Kernel/Bench/BenchPart.swift lists the parts).
count() {
  local what="$1, mode $2, CPUs: $3"
  if on_terminal; then complain "bench: counting $what"; fi
  if ! CPUS=$3 MEMORY=${4:-4096} OPTIONS="bench=$1 mode=$2" Scripts/kernel.sh run -icount shift=0,sleep=off \
    >"$log.new" 2>&1 </dev/null; then
    complain "bench: the run failed: $what"
    failed=1
  fi
  say "== $what" >>"$log"
  # Serial lines end in a carriage return.
  tr -d '\r' <"$log.new" >>"$log"
  rm "$log.new"
}

for cpus in ${BENCH_CPUS:-1 2}; do
  for mode in ${MODES:-strict lazy warm}; do
    count operations "$mode" "$cpus"
    if [ "$mode" != strict ]; then count tests "$mode" "$cpus"; fi
  done
done

count access lazy 1

# RAM that the guest does not touch costs the host nothing, so that half of it is enough.
can_grow() {
  [ "${GROWTH:-yes}" = yes ] || return 1
  local available
  available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
  if [ "$available" -ge 4096 ]; then return 0; fi
  complain "bench: no runs in a machine with 8 GiB: 4 GiB of memory are needed, $available MiB are available"
  return 1
}

if can_grow; then
  for mode in ${MODES:-lazy warm}; do
    if [ "$mode" != strict ]; then count growth "$mode" 1 8192; fi
  done
  count memory lazy 1 8192
fi

if [ "${CONTENTION:-yes}" = yes ]; then
  export VMALLOC_CONTENTION=1
  for cpus in 2 4; do
    for mode in ${MODES:-lazy warm}; do
      if [ "$mode" != strict ]; then count contention "$mode" "$cpus"; fi
    done
  done
  unset VMALLOC_CONTENTION
fi

figures merge "$log" >"$out.new"
mv "$out.new" "$out"
cat "$out"
grep -E '^(== tests|Summary|  refused)' "$log" || true
if [ "$failed" -ne 0 ]; then
  grep -vE '^(==|bench|Summary:|  (operations|flushes:|locks|peak|longest|refused,|live) ?)' "$log" >&2 || true
  die "bench: a run failed (whole log: $log)"
fi

figures table "$out" Benchmarks/linux-6.12.tsv
# In real time, so never the same twice: a table to read, and nothing for the file of figures.
Scripts/host-threads.sh
