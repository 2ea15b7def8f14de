#!/usr/bin/env bash
# Where the instructions of a pair go: boots the kernel with an emulator that logs every instruction's
# address, counts those between the kernel's two marks, and prints how many a pair takes, by function.
#
#   Scripts/profile.sh [MODE] [PAGES] [PAIRS]    default: lazy 1 4200, more than one batch of freed areas
#
#   BY=symbol  as the linker knows functions (default)
#   BY=source  as the sources have them: what was inlined counts where it was written
#   BY=line    by line of the sources
#   ROWS=n     how many rows (default 40)
#   AGAIN=1    what the last run counted, without another one
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mode=${1:-lazy} pages=${2:-1} pairs=${3:-4200}
by=${BY:-symbol} rows=${ROWS:-40}
case $by in symbol | source | line) ;; *) die "profile: BY is symbol, source or line, not \"$by\"" 2 ;; esac

image=$(Scripts/kernel.sh path)
tools=$(toolchain_bin)
folder=.build/profile
mkdir -p "$folder"

# A line of the log is `Trace CPU: HOST [CODE BASE/ADDRESS/FLAGS/FLAGS] SYMBOL`, one for each block of
# instructions, and with -singlestep a block is one instruction. A small machine boots soonest. What memcpy
# and its like do, instruction by instruction or byte by byte, counts for the instruction that called them.
count() {
  local counter status=0
  Scripts/kernel.sh build
  rm -f "$folder/log"
  mkfifo "$folder/log"
  "$tools/llvm-nm" --numeric-sort "$image" | awk '
    NR == FNR {
      if (inside) end[inside] = $1
      inside = 0
      if ($3 == "kernel_profile_mark") mark = $1
      if ($3 ~ /^mem(cpy|move|set|cmp)$/) { starts[++n] = $1; names[n] = $3; inside = n }
      next
    }
    FNR == 1 { for (i = 1; i <= n; i++) named[starts[i]] = names[i]; FS = "/"; $0 = $0 }
    { address = $2 "" }
    address == mark { marks++; next }
    marks != 1 { next }
    {
      if (address in named) { caller = previous; callee = address }
      else if (callee != "" && !(address >= callee && address < end_of(callee))) callee = ""
      if (callee != "") count[caller " " named[callee]]++
      else { count[address]++; previous = address }
    }
    function end_of(start,   i) {
      for (i = 1; i <= n; i++) if (starts[i] == start) return end[i] ""
    }
    END { for (address in count) print address, count[address] }' - "$folder/log" >"$folder/counts" &
  counter=$!
  MEMORY=${MEMORY:-96} OPTIONS="mode=$mode profile=$pairs pages=$pages" Scripts/kernel.sh run \
    -singlestep -d exec,nochain -D "$folder/log" >"$folder/serial" 2>&1 </dev/null || status=$?
  wait "$counter"
  rm "$folder/log"
  if [ "$status" -ne 0 ]; then
    cat "$folder/serial" >&2
    die "profile: the kernel's run failed"
  fi
}

if [ -z "${AGAIN:-}" ]; then count; fi
[ -s "$folder/counts" ] || die "profile: nothing was counted"

# Prints `COUNT<tab>NAME`, a line an address.
name_by_symbol() {
  "$tools/llvm-nm" --numeric-sort "$image" | awk '
    BEGIN { n = 0 }
    NR == FNR { if ($2 ~ /[tT]/) { start[n] = $1; name[n++] = $3 } next }
    {
      low = 0; high = n
      while (high - low > 1) {
        middle = int((low + high) / 2)
        if (start[middle] "" <= $1 "") low = middle; else high = middle
      }
      print $NF "\t" name[low] (NF > 2 ? ", " $2 : "")
    }' - "$folder/counts" | "$tools/swift-demangle" --simplified
}
# The symbolizer answers with a group of lines for an address and an empty line behind it: function and place,
# what is inlined first.
name_by_source() {
  awk '{ print "0x" $1 }' "$folder/counts" |
    "$tools/llvm-symbolizer" --obj="$image" --inlines --basenames | awk -v by="$by" '
      $0 == "" { line = 0; next }
      ++line == 1 { name = $0 }
      line == 2 { sub(/:[0-9]+$/, ""); if (by != "line") sub(/:.*/, ""); print $0 " " name }' |
    "$tools/swift-demangle" --simplified | paste <(awk '{ print $NF }' "$folder/counts") -
}

name() { if [ "$by" = symbol ]; then name_by_symbol; else name_by_source; fi; }
name |
  awk -F'\t' -v pairs="$pairs" '
    { sum[$2] += $1; all += $1 }
    END {
      printf "%10.1f  a pair, of all\n", all / pairs
      for (name in sum) printf "%10.1f  %s\n", sum[name] / pairs, name
    }' | sort -rn | head -n "$((rows + 1))" | cut -c1-160
