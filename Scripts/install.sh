#!/usr/bin/env bash
# Builds the `vmalloc` tool and installs it with its man pages and completions below PREFIX, /usr/local unless it
# is set. The pages and completions come out of the program's own description of its options.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

prefix=${PREFIX:-/usr/local}
scratch=Tool/.build-release

swift_build --package-path Tool --scratch-path "$scratch" -c release --product vmalloc
program="$scratch/release/vmalloc"
install -D -m 755 "$program" "${DESTDIR:-}$prefix/bin/vmalloc"

pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
if swift package --package-path Tool --scratch-path "$scratch" \
  --allow-writing-to-directory "$pages" generate-manual --output-directory "$pages" >"$pages/log" 2>&1; then
  install -D -m 644 "$pages/vmalloc.1" "${DESTDIR:-}$prefix/share/man/man1/vmalloc.1"
else
  cat "$pages/log" >&2
  die "install: the manual page was not made"
fi

for shell in bash zsh fish; do
  "$program" --generate-completion-script "$shell" >"$pages/$shell"
done
install -D -m 644 "$pages/bash" "${DESTDIR:-}$prefix/share/bash-completion/completions/vmalloc"
install -D -m 644 "$pages/zsh" "${DESTDIR:-}$prefix/share/zsh/site-functions/_vmalloc"
install -D -m 644 "$pages/fish" "${DESTDIR:-}$prefix/share/fish/vendor_completions.d/vmalloc.fish"
say "installed ${DESTDIR:-}$prefix/bin/vmalloc, its manual page, and completions for bash, zsh and fish"
