#!/usr/bin/env bash
# Lays the figures of `make bench` (.build/bench.json) beside those of Linux and the goals
# (Benchmarks/linux-6.12.tsv), as a table. A row without a figure is "absent": the function does not exist yet,
# or the run that measures it was left out. Below it, pairs in full machines beside those in an empty one, what
# CPUs share, what is kept for a live area, and how often its use makes a CPU walk the tables.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

figures=.build/bench.json
anchors=Benchmarks/linux-6.12.tsv
[ -s "$figures" ] || die "bench: no figures in $figures; run: make bench" 2

# Lines `NAME VALUE` of a flat object.
flat() { sed -nE 's/^ *"([A-Za-z0-9_]+)": ([0-9.]+),?$/\1 \2/p' "$1"; }

compare_with_linux() {
  awk -F'\t' '
    function grouped(value,   text, rest) {
      if (value == "" || value == "-") return "-"
      text = sprintf("%.0f", value); rest = ""
      while (length(text) > 3) {
        rest = "," substr(text, length(text) - 2) rest
        text = substr(text, 1, length(text) - 3)
      }
      return text rest
    }
    function ratio(ours, theirs) {
      return ours == "" || theirs == "-" ? "-" : sprintf("%.2f", ours / theirs)
    }
    function verdict(ours, goal) {
      if (ours == "") return "absent"
      if (goal == "-") return "-"
      if (ours + 0 > goal + 0) return "not met"
      met++
      return "met"
    }
    BEGIN {
      form = "%-34s%10s%10s%7s%9s  %-9s%10s%10s%7s\n"
      printf form, "instructions per operation", "1 CPU", "Linux", "ratio", "goal", "", "2 CPUs", "Linux", "ratio"
    }
    NR == FNR { split($0, pair, " "); figure[pair[1]] = pair[2]; next }
    /^#/ || /^memory_/ { next }
    {
      one = figure[$1]; two = figure[$1 "_2cpu"]
      if ($5 != "-") goals++
      printf form, $2, grouped(one), grouped($3), ratio(one, $3), grouped($5), verdict(one, $5),
        grouped(two), grouped($4), ratio(two, $4)
    }
    END { printf "%d of %d goals met\n", met, goals }' <(flat "$figures") "$anchors"
}

# A state of a full machine is as good as the empty one up to this factor; one operation takes at most so much.
growth_limit=1.2
worst_vmalloc=2000
worst_vfree=1000

compare_growth() {
  awk -v limit="$growth_limit" -v vmalloc="$worst_vmalloc" -v vfree="$worst_vfree" '
    function show(state, name, base, mode,   mean, empty, ok) {
      mean = figure[state "_" mode]; empty = figure[base "_" mode]
      if (mean == "" || empty == "") return
      if (!lines++) {
        form = "%-28s%-6s%9s%10s  %-9s%15s  %-9s%13s  %s\n"
        printf "\n" form, "pairs of one page", "", "mean", "of empty", "", "worst vmalloc", "", "worst vfree", ""
      }
      printf form, name, mode, mean, sprintf("%.3f", mean / empty), met(mean / empty, limit),
        figure[state "_worst_vmalloc_" mode], met(figure[state "_worst_vmalloc_" mode], vmalloc),
        figure[state "_worst_vfree_" mode], met(figure[state "_worst_vfree_" mode], vfree)
    }
    function both(state, name, base) { show(state, name, base, "cold"); show(state, name, base, "warm") }
    function met(value, limit) { return value + 0 <= limit + 0 ? "met" : "not met" }
    { figure[$1] = $2 }
    END {
      both("growth_empty", "nothing live", "growth_empty")
      both("growth_live_1", "1 live area", "growth_empty")
      both("growth_live_1000", "1,000 live areas", "growth_empty")
      both("growth_live_100000", "100,000 live areas", "growth_empty")
      both("growth_live_1000000", "1,000,000 live areas", "growth_empty")
      both("growth_memory_50", "50 % of memory used", "growth_empty")
      both("growth_memory_95", "95 % of memory used", "growth_empty")
      both("growth_random", "a million operations later", "growth_empty")
      both("growth_range_empty", "a range, empty", "growth_range_empty")
      both("growth_range_50", "50 % of the range used", "growth_range_empty")
      both("growth_range_95", "95 % of the range used", "growth_range_empty")
      if (lines) printf "goals: of empty %s, worst vmalloc %d, worst vfree %d\n", limit, vmalloc, vfree
    }' <(flat "$figures")
}

# For 64 pairs: locks taken and updates of shared words together, in lazy mode and in warm mode.
shared_cold=2
shared_warm=0

show_contention() {
  awk -v cold="$shared_cold" -v warm="$shared_warm" '
    function show(name, load, mode, cpus, goal,   row, suffix, locks, shared) {
      row = "contention" load; suffix = "_" mode "_" cpus "cpu"
      locks = figure[row "_locks" suffix]; shared = figure[row "_shared_updates" suffix]
      if (locks == "") return
      if (!lines++) {
        form = "%-28s%-6s%6s%9s%9s%9s%9s  %s\n"
        printf "\n" form, "all CPUs at once, 64 pairs", "", "CPUs", "locks", "failed", "shared", "frees", ""
      }
      printf form, name, mode, cpus, locks, figure[row "_lock_waits" suffix], shared,
        figure[row "_free_updates" suffix], goal == "" ? "" : locks + shared <= goal ? "met" : "not met"
    }
    { figure[$1] = $2 }
    END {
      for (cpus = 2; cpus <= 4; cpus += 2) {
        show("pairs of one page", "", "cold", cpus, cold)
        show("pairs of one page", "", "warm", cpus, warm)
        show("1 to 64 pages at random", "_random", "cold", cpus)
        show("1 to 64 pages at random", "_random", "warm", cpus)
      }
      if (lines) {
        printf "goals: locks and shared updates together %d cold, %d warm; failed: attempts that found a lock taken;\n",
          cold, warm
        print "frees: the update by which a free is decided, on a word of the area alone"
      }
    }' <(flat "$figures")
}

show_memory() {
  awk -F'\t' '
    NR == FNR { split($0, pair, " "); figure[pair[1]] = pair[2]; next }
    $1 == "memory_area_1_descriptor" { linux = $3; goal = $5 }
    function show(pages, name) {
      one = "memory_area_" pages
      printf form, name, figure[one "_descriptor"], figure[one "_index"], figure[one "_tables"],
        figure[one "_frames"], figure[one "_all"]
    }
    END {
      ours = figure["memory_area_1_descriptor"]
      if (ours == "") exit
      form = "%-28s%11s%9s%9s%9s%9s\n"
      printf "\n" form, "bytes for a live area", "descriptor", "index", "tables", "frames", "all"
      show(1, "of 1 page"); show(64, "of 64 pages")
      printf "descriptor: Linux %d, goal %d, %s\n", linux, goal, ours + 0 <= goal + 0 ? "met" : "not met"
      printf "addresses for one of a million areas of 1 page: %d bytes, guard included\n",
        figure["memory_area_1_addresses"]
      printf "tables in use after all are freed: %d\n", figure["memory_tables_left"]
    }' <(flat "$figures") "$anchors"
}

show_access() {
  awk '
    function show(size, name) { show_leaves(size, name, "4K", "4 KiB"); show_leaves(size, name, "2M", "2 MiB") }
    function show_leaves(size, name, leaf, leaf_name,   row) {
      row = "access_" size "_" leaf
      if (figure[row "_walks"] == "") return
      if (!lines++) {
        form = "%-28s%-8s%14s%9s%15s\n"
        printf "\n" form, "1,000 random reads", "leaves", "L1 TLB misses", "walks", "entries loaded"
      }
      printf form, name, leaf_name, figure[row "_misses"], figure[row "_walks"], figure[row "_loads"]
    }
    { figure[$1] = $2 }
    END {
      show("64M", "over 64 MiB"); show("1G", "over 1 GiB")
      if (lines) {
        print "real page tables, translated by a model of the TLBs of an Intel Skylake (TranslationModel.swift): QEMU has"
        print "no such TLB, and no counter that a guest could read"
      }
    }' <(flat "$figures")
}

compare_with_linux
compare_growth
show_contention
show_memory
show_access
