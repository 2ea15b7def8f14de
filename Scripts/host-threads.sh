#!/usr/bin/env bash
# Pairs of vmalloc and vfree per second on threads of the host, beside the same under one lock, and kmalloc beside
# mimalloc and jemalloc. Prints tables; how to read them is in Benchmarks/README.md.
#
#   Scripts/host-threads.sh [--rounds N] [--milliseconds N] [--live N]
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scratch=Benchmarks/.build-release
flags=(--package-path Benchmarks --scratch-path "$scratch" -c release -Xswiftc -cross-module-optimization)

# SwiftPM keeps the plan of an earlier build when files have come to a package that the built one depends on.
remove_stale() {
  local stamp=$scratch/files.checksum now
  now=$(find Sources -type f | LC_ALL=C sort | cksum)
  if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$now" ]; then rm -f "$scratch/release.yaml"; fi
  mkdir -p "$scratch"
  printf '%s\n' "$now" >"$stamp"
}

# What the dynamic linker sets aside for variables of threads is too little for jemalloc, unless it is asked for more.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:+$GLIBC_TUNABLES:}glibc.rtld.optional_static_tls=16384

remove_stale
swift_build "${flags[@]}" --product HostThreads
"$(swift build "${flags[@]}" --show-bin-path)/HostThreads" "$@"
