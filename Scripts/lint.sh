#!/usr/bin/env bash
# All that `make lint` checks: the sources as text, then the proofs about the core, while the kernel is built, and of that
# the sizes of frames. The checks are in Benchmarks/Figures.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

status=0
log=.build/lint-kernel.log
mkdir -p .build

# All of them for `make test`, too.
kernels=("x86_64 release" "x86_64 debug" "aarch64 release" "riscv64 release")
build_kernels() {
  local kernel
  for kernel in "${kernels[@]}"; do ARCH=${kernel% *} VMALLOC_CONFIGURATION=${kernel#* } Scripts/kernel.sh "$1"; done
}

build_figures || die "lint: the program that checks does not build"
checks sources || status=1
build_kernels build >"$log" 2>&1 </dev/null &
builds=$!
checks core || status=1
if wait "$builds"; then
  mapfile -t images < <(build_kernels path)
  checks kernel "${images[@]}" || status=1
else
  cat "$log"
  say "lint: FAILED  the kernel does not build"
  status=1
fi
if [ "$status" -eq 0 ]; then say "lint: clean"; else say "lint: failed"; fi
exit "$status"
