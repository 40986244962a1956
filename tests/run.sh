#!/bin/sh
# sh tests/run.sh [--long] [CTEST-ARGUMENT...]: installs what is missing, builds, runs every test. --long: the long proofs whole.
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --long ]; then
    MILLRACE_LONG=1
    export MILLRACE_LONG
    shift
fi
sh app/packaging/install.sh build test
mkdir -p build
[ -f build/dev/build.ninja ] || cmake --preset dev >build/configure.txt || { cat build/configure.txt >&2; exit 1; }
cmake --build --preset dev -- --quiet
exec ctest --preset dev "$@"
