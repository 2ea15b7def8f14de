#!/usr/bin/env bash
# All that `make lint` checks: the sources as text, then the proofs about the core and the kernel, both at once, since a
# build of a whole module keeps one core busy.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

status=0
log=.build/lint-kernel.log
mkdir -p .build
Scripts/lint-sources.sh || status=1
Scripts/lint-kernel.sh >"$log" 2>&1 </dev/null &
kernel=$!
Scripts/lint-core.sh || status=1
wait "$kernel" || status=1
cat "$log"
if [ "$status" -eq 0 ]; then say "lint: clean"; else say "lint: failed"; fi
exit "$status"
