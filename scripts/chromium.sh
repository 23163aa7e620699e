#!/bin/sh
# The browser tests drive Debian's chromium: root installs it where it is missing, anybody else is told.
set -eu

if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing chromium for the browser tests"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium
    exit 0
fi
echo "chromium is missing, which the browser tests drive: install it (Debian: apt-get install chromium)." >&2
exit 1
