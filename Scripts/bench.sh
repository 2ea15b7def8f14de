#!/usr/bin/env bash
# Counts instructions per operation: boots the kernel with QEMU's instruction counter as its clock,
# which is the same on every machine, and writes what it prints ("bench NAME INSTRUCTIONS", a line
# each) to .build/bench.json: a flat object, name to number.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

out=.build/bench.json
log=.build/bench.log

Scripts/setup.sh
Scripts/kernel.sh build
mkdir -p .build
rm -f "$out"

if on_terminal; then complain "bench: counting"; fi
if ! OPTIONS=bench Scripts/kernel.sh run -icount shift=0,sleep=off >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  die "bench: the kernel's run failed"
fi

# Serial lines end in a carriage return. A name that comes twice, or something that is no number,
# is a fault of the run, not something to pass on.
tr -d '\r' <"$log" | awk '
  $1 != "bench" { next }
  NF != 3 || $2 !~ /^[A-Za-z0-9_]+$/ || $3 !~ /^[0-9]+([.][0-9]+)?$/ || ($2 in seen) {
    print "bench: cannot use the line: " $0 >"/dev/stderr"
    exit failed = 1
  }
  {
    seen[$2] = 1
    rows = rows (count++ ? ",\n" : "") "  \"" $2 "\": " $3
  }
  END {
    if (failed) exit 1
    if (!count) { print "bench: the kernel printed no figure" >"/dev/stderr"; exit 1 }
    print "{\n" rows "\n}"
  }' >"$out.new"
mv "$out.new" "$out"
cat "$out"
