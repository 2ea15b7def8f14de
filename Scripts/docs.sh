#!/usr/bin/env bash
# Builds the documentation of the libraries; a warning is an error. The plugin is a dependency of the
# package only where VMALLOC_DOCS is set, so that nobody who depends on the package fetches it.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export VMALLOC_DOCS=1

# A version file that names the plugin would make every later build fetch it.
trap 'rm -f Package.resolved' EXIT

for target in KernelMemory MachineSimulator; do
  archive=.build-docs/$target.doccarchive
  quietly ".build-docs/$target.log" swift package --scratch-path .build-docs \
    --allow-writing-to-directory .build-docs \
    generate-documentation --target "$target" --warnings-as-errors --output-path "$archive"
  say "docs: $archive"
done
