#!/usr/bin/env bash
# Searches the models of the protocol (Models/README.md) with Spin, each to its end: those that hold must, and
# each safeguard that is left out must be missed in the way that Models/searches.tsv says. MODELS=all runs the
# long searches, too, one after the other. What was found is in .build-models/results.tsv.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v spin >/dev/null ||
  die "models: spin is not installed; Debian and Ubuntu have it: apt-get install spin"
command -v cc >/dev/null ||
  die "models: there is no C compiler, for what spin writes; Debian and Ubuntu have one: apt-get install gcc"

built=$PWD/.build-models
table=Models/searches.tsv
megabytes=900
if [ "${MODELS:-}" = all ]; then megabytes=12000; fi

# The lines to search: without comments, and without the long ones, unless all are asked for.
mapfile -t searches < <(awk -F'\t' -v all="${MODELS:-}" '
  /^#/ || NF < 6 { next }
  $2 == "usual" || all == "all" { print }' "$table")
if [ ${#searches[@]} -eq 0 ]; then die "models: there is nothing in $table"; fi

# build FOLDER MODEL SEARCH OPTIONS EXPECTED: writes and compiles the program that searches: well, where it will
# search for long.
build() {
  local folder=$1 model=$2 search=$3 option
  local -a defines=() flags=(-DSAFETY)
  if [ "$5" = holds ]; then flags+=(-O2); fi
  if [ "$search" = progress ]; then flags[0]=-DNFAIR=3; fi
  for option in $4; do defines+=("-D$option"); done
  cd "$folder" || return 1
  spin -a "${defines[@]}" "$OLDPWD/Models/$model.pml" &&
    cc -w "${flags[@]}" -DCOLLAPSE "-DMEMLIM=$megabytes" -o pan pan.c
}

# verdict LOG: what a search has found, as in the table.
verdict() {
  local error
  error=$(sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' "$1" | head -n 1)
  case $error in
    'assertion violated'*) sed 's/.*!(\(.*\))/\1/' <<<"$error" ;;
    'acceptance cycle') say cycle ;;
    ?*) say "$error" ;;
    *)
      if grep -q 'errors: 0' "$1" && ! grep -Eq 'Search not completed|max search depth|out of memory' "$1"; then
        say holds
      else
        say unfinished
      fi
      ;;
  esac
}

# search NUMBER LINE: one search, in a folder of its own, whose result is a line in the file `result` there.
search() {
  local folder=$built/$1 model search expected options what found
  local -a flags=(-E)
  # A tab is a space to `read`, which then skips columns that are empty.
  IFS=$'\x1f' read -r model _ search expected options what <<<"${2//$'\t'/$'\x1f'}"
  if [ "$search" = progress ]; then flags=(-a -f); fi
  mkdir -p "$folder"
  if ! (build "$folder" "$model" "$search" "$options" "$expected") >"$folder/build.log" 2>&1; then
    found=unbuilt
  else
    (cd "$folder" && ./pan "${flags[@]}" -m1000000 -n) >"$folder/log" 2>&1 || true
    found=$(verdict "$folder/log")
  fi
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$model" "$options" "$expected" "$found" \
    "$(figures "$folder/log")" "$what" >"$folder/result"
}

# figures LOG: states, depth and seconds.
figures() {
  awk '
    / states, stored/ { states = $1 }
    /depth reached/ { sub(/.*depth reached /, ""); depth = $1 + 0 }
    /elapsed time/ { seconds = $4 }
    END { printf "%s\t%s\t%s", states, depth, seconds }' "$1" 2>/dev/null || true
}

# replay_options OPTIONS: the same, as arguments for whoever wants to see the run.
replay_options() {
  local option
  for option in $1; do printf ' -D%s' "$option"; done
}

progress() {
  if on_terminal; then printf '\r\033[K%s' "$*" >&2; fi
}

rm -rf "$built"
mkdir -p "$built"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

cores=$(getconf _NPROCESSORS_ONLN)
if [ "${MODELS:-}" = all ]; then cores=1; fi
for number in "${!searches[@]}"; do
  while [ "$(jobs -pr | wc -l)" -ge "$cores" ]; do wait -n || true; done
  progress "models: $((number + 1)) of ${#searches[@]}, ${searches[number]%%$'\t'*}"
  search "$number" "${searches[number]}" &
done
wait
progress ""

printf 'model\toptions\texpected\tfound\tstates\tdepth\tseconds\twhat\n' >"$built/results.tsv"
failed=0
for number in "${!searches[@]}"; do
  result=$(cat "$built/$number/result")
  printf '%s\n' "$result" >>"$built/results.tsv"
  IFS=$'\x1f' read -r model options expected found _ <<<"${result//$'\t'/$'\x1f'}"
  if [ "$found" = "$expected" ]; then continue; fi
  failed=$((failed + 1))
  say "models: FAILED  $model${options:+ $options}: $found, where $expected was expected"
  case $found in
    unbuilt) sed 's/^/  /' "$built/$number/build.log" ;;
    unfinished) say "  see $built/$number/log" ;;
    holds) ;;
    *) say "  cd $built/$number && spin -t -p -k $model.pml.trail$(replay_options "$options") $PWD/Models/$model.pml" ;;
  esac
done

if [ "$failed" -gt 0 ]; then die "models: $failed of ${#searches[@]} searches failed"; fi
awk -F'\t' '
  FNR > 1 && $4 == "holds" { holding++; if (!seen[$1]++) models++ }
  FNR > 1 && $4 != "holds" { removed++ }
  END { printf "models: %d hold, in %d searches; %d safeguards removed, and each is missed\n", models, holding, removed }
' "$built/results.tsv"
