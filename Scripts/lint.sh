#!/usr/bin/env bash
# All that `make lint` checks: the sources as text, then the proofs about the core and the kernel.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

status=0
Scripts/lint-sources.sh || status=1
Scripts/lint-core.sh || status=1
Scripts/lint-kernel.sh || status=1
if [ "$status" -eq 0 ]; then say "lint: clean"; else say "lint: failed"; fi
exit "$status"
