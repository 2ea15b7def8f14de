#!/usr/bin/env bash
# The checks that read sources and build nothing: format, sizes, what the core must not contain,
# shell syntax. Each prints one line; the exit status is that of all.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

failed=0

# verdict NAME OFFENCES: passes when there are none, and lists them otherwise.
verdict() {
  if [ -z "$2" ]; then
    say "lint: ok      $1"
  else
    say "lint: FAILED  $1"
    printf '%s\n' "$2" | sed 's/^/  /'
    failed=1
  fi
}

# The files of this repository, new ones included, deleted ones left out.
mapfile -t all_files < <(git ls-files --cached --others --exclude-standard | sort -u |
  while read -r file; do if [ -f "$file" ]; then printf '%s\n' "$file"; fi; done)

# files REGEX: those whose path matches.
files() { printf '%s\n' "${all_files[@]}" | grep -E "$1" || true; }

# longer_than LIMIT REGEX: the files of more lines than that.
longer_than() {
  local limit=$1 file lines
  files "$2" | while read -r file; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt "$limit" ]; then say "$file: $lines lines, at most $limit"; fi
  done
}

# code_matching PATTERN FILES...: lines whose code, without its comment, matches.
code_matching() {
  local pattern=$1
  shift
  if [ $# -eq 0 ]; then return; fi
  awk -v pattern="$pattern" '
    { code = $0; sub(/\/\/.*/, "", code) }
    code ~ pattern { print FILENAME ":" FNR ": " $0 }' "$@"
}

mapfile -t swift_files < <(files '[.]swift$')
mapfile -t core_files < <(files '^Sources/KernelMemory/.*[.]swift$')
mapfile -t portable_files < <(files '^Sources/.*[.]swift$' | grep -v '^Sources/BareMetal/')
mapfile -t shell_files < <(files '[.]sh$|^[.]ci/run$')

verdict "swift format, ${#swift_files[@]} files" \
  "$(swift format lint --strict --parallel "${swift_files[@]}" 2>&1 || true)"

# What swift format leaves alone. Tables and drawings are indented.
verdict "no comment over 110 columns" "$(
  LC_ALL=C.UTF-8 grep -nHE '^.{111}' "${swift_files[@]}" | grep -E '^[^:]+:[0-9]+: *///? ?[^ ]' || true
)"
verdict "no Swift file over 400 lines" "$(longer_than 400 '[.]swift$')"
verdict "no file of the walker over 300 lines" \
  "$(longer_than 300 '^Sources/KernelMemory/PageTables/[^/]*[.]swift$')"
verdict "no page-table format over 150 lines" \
  "$(longer_than 150 '^Sources/KernelMemory/PageTables/Formats/.*[.]swift$')"

# `-no-allocations` finds what allocates; these words are refused even where nothing comes of them.
verdict "no class, existential, boxed case or Foundation in the core" "$(code_matching \
  '(^|[^A-Za-z_.])(class [A-Z]|indirect (enum|case) )|(^|[^A-Za-z_])any [A-Z]|import (Foundation|Dispatch|Glibc)' \
  "${core_files[@]}")"
verdict "every read-modify-write in the core is one that is counted (SharedUpdate.swift)" \
  "$(awk '
    { code = $0; sub(/\/\/.*/, "", code) }
    FNR == 1 { counted = -9 }
    code ~ /updating[(]/ { counted = FNR }
    code ~ /[.](weakC|c)ompareExchange[(]|[.]exchange[(]/ ||
      code ~ /[.](wrapping)?([aA]dd|[sS]ubtract)[(].*ordering: / || code ~ /[.](max|min|bitwise[A-Z][a-z]+)[(].*ordering: / {
      if (FNR - counted > 1) print FILENAME ":" FNR ": " $0
    }' "${core_files[@]}" | grep -v '[.]load[(]')"
# Formats.swift chooses the format that the walker is compiled for.
verdict "no choice by architecture outside BareMetal and Formats.swift" \
  "$(code_matching '#(if|elseif).*arch[(]' "${portable_files[@]}" |
    grep -v '^Sources/KernelMemory/PageTables/Formats[.]swift:')"
formats=$(files '^Sources/KernelMemory/PageTables/Formats/.*[.]swift$' | sed 's|.*/||; s|[.]swift$||' | paste -sd '|')
verdict "no page-table format is named outside Formats.swift" \
  "$(code_matching "(^|[^A-Za-z0-9_])($formats)([^A-Za-z0-9_]|\$)" "${core_files[@]}" |
    grep -v '^Sources/KernelMemory/PageTables/Formats')"

verdict "shell syntax, ${#shell_files[@]} files" \
  "$(for file in "${shell_files[@]}"; do bash -n "$file" 2>&1 || true; done)"
if command -v shellcheck >/dev/null; then
  verdict "shellcheck" \
    "$(shellcheck --external-sources --source-path=SCRIPTDIR:. "${shell_files[@]}" 2>&1 || true)"
fi

exit "$failed"
