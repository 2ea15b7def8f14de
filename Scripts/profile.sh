#!/usr/bin/env bash
# Where the instructions of a pair go, by function (Profile.swift in Benchmarks/Figures).
#
#   Scripts/profile.sh [MODE] [PAGES] [PAIRS]    default: lazy 1 4200, more than one batch of freed areas
#
#   BY=symbol  as the linker knows functions (default)
#   BY=source  as the sources have them: what was inlined counts where it was written
#   BY=line    by line of the sources
#   ROWS=n     how many rows (default 40)
#   AGAIN=1    what the last run counted, without another one
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

task profile "$@"
