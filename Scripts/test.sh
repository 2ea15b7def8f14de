#!/usr/bin/env bash
# Every test (TestTask.swift in Benchmarks/Figures). The last line is the sum, "N passed, M failed"; the exit status is
# not zero when M is not.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

counting_task test
