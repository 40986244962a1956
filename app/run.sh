#!/bin/sh
# sh app/run.sh [ARGUMENT...]: installs what is missing, builds, and runs Millrace: with arguments, its command line; without,
# Monte Carlo in this terminal.
set -eu
cd "$(dirname "$0")/.."
sh app/packaging/install.sh build
mkdir -p build
[ -f build/release/build.ninja ] || cmake --preset release >build/configure.txt || { cat build/configure.txt >&2; exit 1; }
# ninja talks only when there is something to build.
cmake --build --preset release -- --quiet
[ $# -gt 0 ] || set -- run monte-carlo
exec build/release/bin/millrace "$@"
