#!/usr/bin/env bash
# kmalloc beside vmalloc, cold and warm: a table of what a pair (allocate, free) of each size costs, from
# what the manager counts. A manager has one mode, so there are two short runs, a lazy one (kmalloc, and cold pairs
# of vmalloc, which edit page tables) and a warm one, which the program in Benchmarks/Figures lays side by side. In a
# kernel, instructions are those of QEMU's instruction counter, the same on every machine; the simulated machine
# counts none.
#
#   Scripts/compare.sh qemu | simulated     what was built is run; MEMORY=MiB
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# lines MODE: the totals of a run, a line for each size and side.
lines() {
  case $machine in
    qemu)
      CPUS=1 OPTIONS="compare mode=$1" Scripts/kernel.sh run -icount shift=0,sleep=off </dev/null | tr -d '\r'
      ;;
    simulated)
      local flags=(--package-path Kernel --scratch-path Kernel/.build-release "${optimised[@]}")
      "$(swift build "${flags[@]}" --show-bin-path)/SimulatedRun" --compare "$1" --memory "${MEMORY:-3072}M"
      ;;
  esac
}

machine=${1:-}
case $machine in
  qemu | simulated) ;;
  *) die "usage: Scripts/compare.sh qemu | simulated" 2 ;;
esac

build_figures
folder=.build/compare
mkdir -p "$folder"
for mode in lazy warm; do
  lines "$mode" >"$folder/$mode" || {
    complain "compare: the $mode run failed"
    cat "$folder/$mode" >&2
    exit 1
  }
done
figures compare "$folder/lazy" "$folder/warm"
