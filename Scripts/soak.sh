#!/usr/bin/env bash
# The long run: the heavy tests with many more rounds, the recorded boot a hundred times over, and areas handed from CPU
# to CPU (Soak.swift in Benchmarks/Figures). LAPS=n, STRESS=n and STRICT_STRESS=n ask for other numbers.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

counting_task soak
