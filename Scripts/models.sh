#!/usr/bin/env bash
# Searches the models of the protocol (Models/README.md) with Spin: those that hold must, and each safeguard that is left
# out must be missed in the way that Models/searches.tsv says. MODELS=all runs the long searches, too.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v spin >/dev/null ||
  die "models: spin is not installed; Debian and Ubuntu have it: apt-get install spin"
command -v cc >/dev/null ||
  die "models: there is no C compiler, for what spin writes; Debian and Ubuntu have one: apt-get install gcc"

build_figures || die "models: the program that searches does not build"
checks models "${MODELS:-usual}"
