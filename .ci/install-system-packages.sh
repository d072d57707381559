#!/bin/sh
# What Python packages cannot bring. Always: the GNU OpenMP runtime for LightGBM's wheel. With the argument `tests`:
# Node.js with npm for the tests of bitbank's own client, and Chromium for those of the dashboard; where they cannot be
# installed these tests are skipped, in CI it is an error.
set -eu
python=.venv/bin/python

install() {
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return 1
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null
}

missing() {
    echo "$1" >&2
    [ -z "${CI:-}" ]
}

if ! "$python" -c 'import lightgbm' 2> /dev/null && ! install libgomp1; then
    echo "LightGBM needs the system library libgomp.so.1: install the package libgomp1 (Debian, Ubuntu) or libgomp (Fedora)." >&2
    exit 1
fi
[ "${1:-}" = tests ] || exit 0
if ! { command -v node && command -v npm; } > /dev/null && ! install nodejs npm; then
    missing "Node.js and npm are missing, so bitbank's own client is not tested: install the packages nodejs and npm."
fi
if ! command -v chromium > /dev/null && ! install chromium && ! "$python" -m playwright install chromium; then
    missing "There is no Chromium, so the dashboard is not tested: install the package chromium."
fi
