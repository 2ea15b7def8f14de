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

# What work that must be fast is built with: an unoptimised build is about forty times slower.
# Testable imports need a flag of their own there.
# shellcheck disable=SC2034
optimised=(-c release -Xswiftc -cross-module-optimization -Xswiftc -enable-testing)

# The same with all that a debug build checks: assertions, the library's own included, and `#if DEBUG`. Overflow and
# exclusive access are checked in any build.
# shellcheck disable=SC2034
asserting=("${optimised[@]}" -Xswiftc -assert-config -Xswiftc Debug -Xswiftc -DDEBUG)

# `swift build` draws its own progress on a terminal; elsewhere it says only what went wrong.
swift_build() {
  if on_terminal; then swift build "$@"; else swift build --quiet "$@"; fi
}

# What is arithmetic and tables, and what is checked, are programs (Benchmarks/Figures), built where they are needed first.
figures_package=Benchmarks/Figures
figures() { "$figures_package/.build/debug/figures" "$@"; }
checks() { "$figures_package/.build/debug/checks" "$@"; }
build_figures() {
  local stamp=$figures_package/.build/built
  if [ ! -e "$stamp" ] || [ -n "$(find "$figures_package"/{Sources,Package.swift} -newer "$stamp")" ]; then
    swift_build --package-path "$figures_package" >&2 && touch "$stamp"
  fi
}

# The folder of the compiler in use, asked of the compiler: `swiftc` in PATH may be a launcher.
toolchain_bin() {
  local resources
  resources=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
  [ -d "$resources/../../bin" ] || die "cannot find the tools of $(command -v swiftc)"
  (cd "$resources/../../bin" && pwd)
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
