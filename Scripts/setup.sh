#!/usr/bin/env bash
# Makes sure that QEMU is here, for the architecture that ARCH names (x86_64, the default, aarch64 or riscv64); exit status
# 0 if it is. Installing is tried only where it can happen without a question: as root, or where sudo asks for no
# password.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

emulator=qemu-system-${ARCH:-x86_64}
case ${ARCH:-x86_64} in
  x86_64) package=qemu-system-x86 ;;
  aarch64) package=qemu-system-arm ;;
  riscv64) package=qemu-system-misc ;;
  *) die "setup: ARCH is x86_64, aarch64 or riscv64, not \"$ARCH\"" 2 ;;
esac

have_emulator() { command -v "$emulator" >/dev/null; }

install_with() {
  complain "setup: installing $package from Debian's packages"
  local log
  log=$(mktemp)
  if ! { "$@" env DEBIAN_FRONTEND=noninteractive bash -c \
    "apt-get update && apt-get install --yes --no-install-recommends $package"; } >"$log" 2>&1 </dev/null
  then
    tail -n 5 "$log" >&2
  fi
  rm -f "$log"
}

have_emulator && exit 0
if command -v apt-get >/dev/null; then
  if [ "$(id -u)" -eq 0 ]; then
    install_with
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    install_with sudo -n
  fi
fi
have_emulator && exit 0
die "setup: $emulator is missing; install it with: sudo apt-get install --no-install-recommends $package"
