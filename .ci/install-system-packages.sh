#!/bin/sh
# LightGBM's wheel needs the GNU OpenMP runtime from the system.
set -eu
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends libgomp1
else
    echo "LightGBM needs the system library libgomp.so.1: install the package libgomp1 (Debian, Ubuntu) or libgomp (Fedora)." >&2
    exit 1
fi
