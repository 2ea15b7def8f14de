#!/usr/bin/env bash
# Pairs of vmalloc and vfree per second on threads of the host, beside the same under one lock. Prints a table; how
# to read it is in Benchmarks/README.md.
#
#   Scripts/host-threads.sh [--rounds N] [--milliseconds N] [--live N]
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

flags=(--package-path Benchmarks --scratch-path Benchmarks/.build-release -c release -Xswiftc
  -cross-module-optimization)
# SwiftPM now and then plans by the description of an earlier build; the second time it plans anew.
build() { swift_build "${flags[@]}" --product HostThreads; }
build || build
"$(swift build "${flags[@]}" --show-bin-path)/HostThreads" "$@"
