#!/usr/bin/env bash
# Pairs of vmalloc and vfree per second on threads of the host, beside the same under one lock, and kmalloc beside
# mimalloc and jemalloc. Prints tables; how to read them is in Benchmarks/README.md.
#
#   Scripts/host-threads.sh [--rounds N] [--milliseconds N] [--live N]
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

task threads "$@"
