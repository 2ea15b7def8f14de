#!/usr/bin/env bash
# Every test: those of what the scripts compute, the hosted ones, random inputs of the fuzz target, those of the nested
# kernel package, which boot it under QEMU, then the tool for Linux hosts.
# The last line is the sum, "N passed, M failed"; the exit status is not zero when M is not.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source Scripts/suite.sh

# What the kernels are asked for is said here, and by the tests themselves.
export ARCH=x86_64
unset CPU CPUS GIC LEVELS MEMORY TRACE LAPS LISTING MACHINE OPTIONS VMALLOC_CONFIGURATION VMALLOC_CONTENTION

# Every folder of tests that no other suite has. (ThreadTests run under ThreadSanitizer, too.)
unit_targets() {
  local folder name names=()
  for folder in Tests/*/; do
    name=$(basename "$folder")
    case $name in
      TestSupport | HeavyTests | AblationTests) ;;
      *) names+=("$name") ;;
    esac
  done
  (IFS=, && say "${names[*]}")
}

# configure NAME: where a suite is built, how, and what of it: `scratch`, `flags` and `only`.
configure() {
  only="" flags=()
  case $1 in
    "figures tests") scratch=$figures_package/.build flags=(--package-path "$figures_package") ;;
    "unit tests") scratch=.build only=$(unit_targets) ;;
    "heavy tests") scratch=.build-release only=HeavyTests flags=("${asserting[@]}") ;;
    "ablation tests") scratch=.build-ablations only=AblationTests flags=("${asserting[@]}" --traits Ablations) ;;
    "tests under ThreadSanitizer")
      scratch=.build-tsan only=ThreadTests
      flags=(--sanitize=thread -Xlinker --wrap=__tsan_external_write)
      ;;
    "fuzz tests") scratch=Fuzzing/.build-release flags=(--package-path Fuzzing "${asserting[@]}") ;;
    "kernel tests") scratch=Kernel/.build-release flags=(--package-path Kernel "${optimised[@]}") ;;
    "tool tests") scratch=Tool/.build-release flags=(--package-path Tool "${optimised[@]}") ;;
    *) die "test: there is no suite \"$1\"" ;;
  esac
}

# Builds suites one after the other while the first ones run, since a build of whole modules keeps one core busy. One
# that fails is tried again in its turn, and says why.
build_ahead() {
  local name
  trap 'kill $(jobs -p); exit' TERM
  for name in "$@"; do
    configure "$name"
    VMALLOC_TESTS=$only swift build --quiet --build-tests --scratch-path "$scratch" "${flags[@]}" &
    wait "$!" || true
    say "$name" >>.build/ahead
  done >/dev/null 2>&1 </dev/null
}

# run NAME: when it is no longer being built.
run() {
  configure "$1"
  while kill -0 "$ahead" 2>/dev/null && ! grep -qx "$1" .build/ahead; do sleep 1; done
  VMALLOC_TESTS=$only suite "$1" "$scratch" "${flags[@]}"
}

mkdir -p .build
say "figures tests"$'\n'"unit tests" >.build/ahead
build_ahead "heavy tests" "ablation tests" "tests under ThreadSanitizer" "fuzz tests" "kernel tests" "tool tests" &
ahead=$!
trap 'kill "$ahead" 2>/dev/null || true' EXIT

run "figures tests"
run "unit tests"
run "heavy tests"
run "ablation tests"
run "tests under ThreadSanitizer"
run "fuzz tests"

if ! Scripts/setup.sh; then
  complain "test: the tests that boot the kernel are skipped"
elif Scripts/kernel.sh build; then
  VMALLOC_KERNEL=$(Scripts/kernel.sh path)
  export VMALLOC_KERNEL
  if VMALLOC_CONFIGURATION=debug Scripts/kernel.sh build; then
    VMALLOC_DEBUG_KERNEL=$(VMALLOC_CONFIGURATION=debug Scripts/kernel.sh path)
    export VMALLOC_DEBUG_KERNEL
  else
    say "unoptimised kernel: does not build"
    failed_total=$((failed_total + 1))
  fi
else
  say "kernel: does not build"
  failed_total=$((failed_total + 1))
fi
# Their emulators are installed only when that is asked for.
for architecture in aarch64 riscv64; do
  if ! command -v "qemu-system-$architecture" >/dev/null; then
    complain "test: qemu-system-$architecture is missing, so the tests that boot the kernel of $architecture are" \
      "skipped; ARCH=$architecture Scripts/setup.sh installs it"
  elif ! ARCH=$architecture Scripts/kernel.sh build; then
    say "kernel of $architecture: does not build"
    failed_total=$((failed_total + 1))
  fi
done
run "kernel tests"
# Behind the kernel's build: one of them boots it, and reads what it says.
run "tool tests"

say "$passed_total passed, $failed_total failed"
[ "$failed_total" -eq 0 ]
