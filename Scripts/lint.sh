#!/usr/bin/env bash
# All that `make lint` checks: the sources as text, then the proofs about the core, while the kernel is built, and of that
# the sizes of frames. The checks are in Benchmarks/Figures.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

status=0
log=.build/lint-kernel.log
mkdir -p .build

# All of them for `make test`, too.
kernels=({x86_64,aarch64,riscv64}" release" {x86_64,aarch64,riscv64}" debug")
# each_kernel COMMAND: what Scripts/kernel.sh does with it, for each of them.
each_kernel() {
  local kernel failed=0
  for kernel in "${kernels[@]}"; do
    if ! ARCH=${kernel% *} VMALLOC_CONFIGURATION=${kernel#* } Scripts/kernel.sh "$1"; then
      say "lint: FAILED  Scripts/kernel.sh $1, $kernel"
      failed=1
    fi
  done
  return "$failed"
}

build_figures || die "lint: the program that checks does not build"
checks sources || status=1
each_kernel build >"$log" 2>&1 </dev/null &
builds=$!
checks core || status=1
if ! wait "$builds"; then
  cat "$log"
  status=1
fi
# Those that there are, whether or not another one does not build.
images=()
while read -r image; do
  if [ -e "$image" ]; then images+=("$image"); fi
done < <(each_kernel path)
if [ "${#images[@]}" -gt 0 ]; then checks kernel "${images[@]}" || status=1; fi
if [ "$status" -eq 0 ]; then say "lint: clean"; else say "lint: failed"; fi
exit "$status"
