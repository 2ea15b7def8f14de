#!/usr/bin/env bash
# Builds the `vmalloc` tool and installs it with its manual page and completions below PREFIX, /usr/local unless it
# is set. The pages and completions come out of the program's own description of its options.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

prefix=${PREFIX:-/usr/local}
scratch=Tool/.build-release

swift_build --package-path Tool --scratch-path "$scratch" -c release --product vmalloc
program="$scratch/release/vmalloc"
install -D -m 755 "$program" "${DESTDIR:-}$prefix/bin/vmalloc"

pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT

# roff TEXT: help text as it stands, so that roff neither fills it nor takes a line for a request.
roff() { sed -e 's/[\\]/\\e/g' -e "s/^[.']/\\\\\&&/" -e 's/-/\\-/g'; }

{
  printf '.TH VMALLOC 1 "" "vmalloc %s" "User Commands"\n.SH NAME\n' "$("$program" --version)"
  printf 'vmalloc \\- who holds the vmalloc space of a Linux kernel, and what grows\n'
  printf '.SH SYNOPSIS\n.nf\n'
  "$program" --help | roff
  "$program" --help | awk '/^SUBCOMMANDS/ { inside = 1; next } inside && /^  [a-z]/ { print $1 }' |
    while read -r command; do
      printf '.fi\n.SH VMALLOC %s\n.nf\n' "${command^^}"
      "$program" help "$command" | roff
    done
  printf '.fi\n.SH EXIT STATUS\n.nf\n'
  printf '0  done\n1  a limit was met\n2  wrong use\n3  a file could not be read\n4  data was lost under \\-\\-strict\n.fi\n'
} >"$pages/vmalloc.1"
install -D -m 644 "$pages/vmalloc.1" "${DESTDIR:-}$prefix/share/man/man1/vmalloc.1"

for shell in bash zsh fish; do
  "$program" --generate-completion-script "$shell" >"$pages/$shell"
done
install -D -m 644 "$pages/bash" "${DESTDIR:-}$prefix/share/bash-completion/completions/vmalloc"
install -D -m 644 "$pages/zsh" "${DESTDIR:-}$prefix/share/zsh/site-functions/_vmalloc"
install -D -m 644 "$pages/fish" "${DESTDIR:-}$prefix/share/fish/vendor_completions.d/vmalloc.fish"
say "installed ${DESTDIR:-}$prefix/bin/vmalloc, its manual page, and completions for bash, zsh and fish"
