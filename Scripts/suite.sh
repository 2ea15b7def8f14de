# Runs a package's tests and counts them; sourced by test.sh. The count comes from the event stream
# of Swift Testing (a line of JSON an event), which a crashing process leaves behind as far as it
# came, and whose quotes are escaped inside text, so that a pattern with quotes matches keys only.
#
# One rule: a test that was planned has passed, was skipped, or has failed. What a crash, a timeout
# or an early exit kept from ending has therefore failed, and a process that ends badly is at least
# one failure, whatever its tests said.
# shellcheck shell=bash

passed_total=0
failed_total=0
suite_limit=${VMALLOC_TEST_LIMIT:-25m}

# Prints "passed failed skipped ended" for a file of events.
count_events() {
  awk '
    # The string after a key: the first that is followed by `rest`.
    function value(key, rest,   lead) {
      lead = "\"" key "\":\""
      if (!match($0, lead "([^\"\\\\]|\\\\.)*\"" rest)) return ""
      return substr($0, RSTART + length(lead), RLENGTH - length(lead) - length(rest) - 1)
    }
    /^[{]"kind":"test",/ && /"kind":"function"/ { planned[value("id", ",\"isParameterized\"")] = 1; next }
    { test = value("testID", "") }
    /"kind":"testSkipped"/ { skipped[test] = 1 }
    /"kind":"testEnded"/ { if (/"symbol":"fail"/) bad[test] = 1; else good[test] = 1 }
    /"kind":"issueRecorded"/ && /"symbol":"fail"/ && test == "" { loose++ }
    /"kind":"runEnded"/ { ended = 1 }
    END {
      for (id in planned) {
        if (id in bad) failures++
        else if (id in good) passes++
        else if (id in skipped) skips++
        else failures++
      }
      print passes + 0, failures + loose + 0, skips + 0, ended + 0
    }' "$1"
}

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

# suite NAME SCRATCH-PATH SELECTION... -- FLAGS...: builds with the flags, runs the selection.
suite() {
  local name=$1 scratch=$2
  shift 2
  local selection=()
  while [ "$1" != -- ]; do
    selection+=("$1")
    shift
  done
  shift
  local flags=(--scratch-path "$scratch" "$@")

  if ! swift_build --build-tests "${flags[@]}"; then
    say "$name: does not build"
    failed_total=$((failed_total + 1))
    return
  fi
  run_suite "$name" "$scratch" "${selection[@]}" --skip-build "${flags[@]}"
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
  read -r passed failed skipped ended < <(count_events "$events")
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
