# Runs a package's tests and counts them (TestEvents.swift); sourced by test.sh. A test that a crash, a timeout or an
# early exit kept from ending has failed, and a process that ends badly is at least one failure, whatever its tests
# said.
# shellcheck shell=bash

passed_total=0
failed_total=0
suite_limit=${VMALLOC_TEST_LIMIT:-25m}

# Swift Testing walks the stack at every throw, to say where an error came from that ends a test. Refusals and faults
# are thrown by the million here: four fifths of the time went there. Where an error's source is wanted:
# `swift test --filter`.
export SWT_SWIFT_ERROR_BACKTRACING_ENABLED=0

if ! build_figures; then
  say "the program that counts tests does not build"
  say "0 passed, 1 failed"
  exit 1
fi

# Says on the terminal how many tests have ended, until it is killed or the script has ended.
watch_events() {
  local events=$1 name=$2 ended
  while sleep 1 && kill -0 $$ 2>/dev/null; do
    ended=$(grep -c '"kind":"testEnded"' "$events" 2>/dev/null) || true
    printf '\r%s: %s ended ' "$name" "${ended:-0}" >&2
  done
}

# The parts of a log that explain a failure: everything but the lines of tests that went well.
show_log() {
  grep -vE '^(◇|✔|➜|━|↳ (Testing Library|Target Platform)|\[[0-9]+/[0-9]+\]|$)' "$1" >&2 || true
  complain "(whole log: $1)"
}

# suite NAME SCRATCH-PATH FLAGS...: builds with the flags, and runs what was built.
suite() {
  local name=$1 scratch=$2
  shift 2
  local flags=(--scratch-path "$scratch" "$@")

  if ! swift_build --build-tests "${flags[@]}"; then
    say "$name: does not build"
    failed_total=$((failed_total + 1))
    return
  fi
  run_suite "$name" "$scratch" --skip-build "${flags[@]}"
}

# Runs tests that are built, prints the suite's line, and adds to the totals.
run_suite() {
  local name=$1 scratch=$2
  shift 2
  # Absolute, since `--package-path` changes the folder before the events are opened.
  local stem="$PWD/$scratch/test-${name//[^a-z]/-}" status=0 watcher=""
  local log="$stem.log" events="$stem.events" began=$SECONDS
  : >"$events"
  if on_terminal; then
    watch_events "$events" "$name" &
    watcher=$!
  fi
  timeout --foreground --signal=INT --kill-after=20 "$suite_limit" swift test --disable-xctest \
    --event-stream-version 6.3 --event-stream-output-path "$events" "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ -n "$watcher" ]; then
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    printf '\r\033[K' >&2
  fi

  local passed failed skipped ended why=""
  read -r passed failed skipped ended < <(figures tests "$events")
  if [ "$status" -eq 124 ]; then
    why="; stopped after $suite_limit"
  elif [ "$ended" -eq 0 ]; then
    why="; the process ended before its tests did (status $status)"
  elif [ $((passed + failed + skipped)) -eq 0 ]; then
    why="; no test was found"
  elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    why="; exit status $status"
  fi
  if [ -n "$why" ] && [ "$failed" -eq 0 ]; then failed=1; fi
  passed_total=$((passed_total + passed))
  failed_total=$((failed_total + failed))
  if [ "$failed" -gt 0 ]; then show_log "$log"; fi
  say "$name: $passed passed, $failed failed, $skipped skipped in $((SECONDS - began)) s$why"
}
