#!/usr/bin/env bash
# Lays the figures of `make bench` (.build/bench.json) beside those of Linux and the goals
# (Benchmarks/linux-6.12.tsv), as a table. A row without a figure is "absent": the function does not exist yet,
# or the run that measures it was left out.
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
    /^#/ { next }
    {
      one = figure[$1]; two = figure[$1 "_2cpu"]
      if ($5 != "-") goals++
      printf form, $2, grouped(one), grouped($3), ratio(one, $3), grouped($5), verdict(one, $5),
        grouped(two), grouped($4), ratio(two, $4)
    }
    END { printf "%d of %d goals met\n", met, goals }' <(flat "$figures") "$anchors"
}

compare_with_linux
