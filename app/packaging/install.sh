#!/bin/sh
# install.sh KIND...: installs the packages of these kinds (see packages.txt) that are missing, and says which. Quick when none is.
set -eu
list=$(dirname "$0")/packages.txt
wanted=
for kind; do
    wanted="$wanted $(sed -n "s/^$kind  *\([^ ]*\).*/\1/p" "$list" | tr '\n' ' ')"
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    # No Debian: what the packages bring may be there under other names. The build says what is not; this only what is sure.
    missing=
    for program in c++ cmake ninja pkg-config; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    [ -z "$missing" ] && exit 0
    echo "Missing:$missing. This machine has no apt-get: install what Debian calls$wanted, then try again." >&2
    exit 1
fi

missing=
for package in $wanted; do
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) in
    *" installed") ;;
    *) missing="$missing $package" ;;
    esac
done
[ -z "$missing" ] && exit 0

echo "Installing:$missing" >&2
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Only root may install them and there is no sudo: as root, run apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
$as_root apt-get update -qq >&2
# shellcheck disable=SC2086 # the packages are words of their own
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qq -y --no-install-recommends $missing >&2
