#!/usr/bin/env bash
# kmalloc beside vmalloc, cold and warm: a table of what a pair (allocate, free) of each size costs, from
# what the manager counts. A manager has one mode, so there are two short runs, a lazy one (kmalloc, and cold pairs
# of vmalloc, which edit page tables) and a warm one; this script divides and merges. In a kernel, instructions
# are those of QEMU's instruction counter, the same on every machine; the simulated machine counts none.
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

lazy=$(lines lazy) || die "compare: the lazy run failed"$'\n'"$lazy"
warm=$(lines warm) || die "compare: the warm run failed"$'\n'"$warm"

# Three lines of each size are expected; anything else is a fault of the runs, not a short table.
printf '%s\n%s\n' "$lazy" "$warm" | awk '
  $1 != "compare" { next }
  {
    row = $2 " " $3
    if (row in seen) failed = 1
    seen[row] = 1
    for (i = 4; i <= NF; i++) { split($i, part, "="); value[row, part[1]] = part[2] }
  }
  function each(row, name, digits) { return sprintf("%." digits "f", value[row, name] / value[row, "pairs"]) }
  function thousand(row, name) { return sprintf("%.1f", 1000 * value[row, name] / value[row, "pairs"]) }
  function sample(row, name, digits) { return sprintf("%." digits "f", value[row, name] / value[row, "samples"]) }
  END {
    sizes = split("4K 64K 2M", size)
    sides = split("kmalloc vmalloc_cold vmalloc_warm", side)
    for (i = 1; i <= sizes; i++) for (j = 1; j <= sides; j++) if (!((size[i] " " side[j]) in seen)) failed = 1
    if (failed) { print "compare: the runs did not print each figure once" >"/dev/stderr"; exit 1 }
    print ""
    print "kmalloc beside vmalloc: a pair of an allocation and its free"
    print "                                              flushes in 1,000 pairs    runs of  bytes of"
    print "  size  side           instructions  entries   page  ranges      all     frames  addresses"
    for (i = 1; i <= sizes; i++) for (j = 1; j <= sides; j++) {
      row = size[i] " " side[j]
      name = side[j]
      sub("_", ", ", name)
      printf "  %-4s  %-13s  %12s %8s %6s %7s %8s %10s %10s\n", size[i], name,
        (row, "instructions") in value ? each(row, "instructions", 0) : "-", each(row, "entries", 0),
        thousand(row, "page"), thousand(row, "ranges"), thousand(row, "everything"), sample(row, "runs", 1),
        sample(row, "bytes", 0)
    }
    print "  Runs of contiguous frames, and bytes of addresses with the guard, are those of one allocation, on"
    print "  average over allocations that are live together. The warm cache keeps nothing as large as 2 MiB."
  }'
