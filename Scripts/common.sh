# What every script here shares; sourced, never run. Strict mode, the package's root as working
# directory, plain messages, and the toolchain's own LLVM tools: the system's may be older and
# unable to read what this compiler writes.
# shellcheck shell=bash
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }
die() {
  complain "$1"
  exit "${2:-1}"
}

# An interrupted script ends, whatever the command that it was running makes of the interrupt.
trap 'exit 130' INT

# Progress belongs on a terminal; a pipe or a file gets results only.
on_terminal() { [ -t 2 ]; }

# `swift build` draws its own progress on a terminal; elsewhere it says only what went wrong.
swift_build() {
  if on_terminal; then swift build "$@"; else swift build --quiet "$@"; fi
}

# What is more than a few commands is in programs with tests (Benchmarks/Figures), built where they are needed first.
figures_package=Benchmarks/Figures
checks() { "$figures_package/.build/debug/checks" "$@"; }
build_figures() {
  local stamp=$figures_package/.build/built
  if [ ! -e "$stamp" ] || [ -n "$(find "$figures_package"/{Sources,Package.swift} -newer "$stamp")" ]; then
    swift_build --package-path "$figures_package" >&2 && touch "$stamp"
  fi
}

# task NAME ARGUMENTS...: has a program do it, in this script's place.
task() {
  build_figures
  exec "$figures_package/.build/debug/tasks" "$@"
}

# The same for those that count tests.
counting_task() {
  if build_figures; then task "$@"; fi
  say "the program that counts tests does not build"
  say "0 passed, 1 failed"
  exit 1
}

# quietly LOG COMMAND...: on a terminal just the command; elsewhere its output goes to the log, and is
# shown only when it fails.
quietly() {
  local log=$1 status=0
  shift
  if on_terminal; then
    "$@"
    return
  fi
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then cat "$log" >&2; fi
  return "$status"
}
