#!/usr/bin/env bash
# kmalloc beside vmalloc, cold and warm: a table of what a pair of each size costs (CompareTask.swift in
# Benchmarks/Figures).
#
#   Scripts/compare.sh qemu | simulated     what was built is run; MEMORY=MiB
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

task compare "$@"
