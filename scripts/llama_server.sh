#!/bin/sh
# Compiles llama.cpp's llama-server for this machine's processor into .venv/bin, from the source that llama-cpp-python
# comes with: `make bench-llm` compares ours with it, and both are to have the same kernels.
# Does nothing where it is there, of that version and compiled as it is now.
set -eu
cd "$(dirname "$0")/.."

version=$(.venv/bin/python -c 'import llama_cpp; print(llama_cpp.__version__)')
stamp=.venv/compiled-llama-server
how=$(cat scripts/llama_server.sh scripts/llama_cpp/compiler.cmake scripts/llama_cpp/ldtilecfg.h | sha256sum)
if [ -x .venv/bin/llama-server ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$version $how" ]; then
    exit 0
fi
echo "llama-server compiles for about 5 minutes, once."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
.venv/bin/python -m pip download --disable-pip-version-check --quiet --no-deps --no-binary llama-cpp-python \
    --dest "$folder" "llama-cpp-python==$version"
tar -xzf "$folder"/llama_cpp_python-*.tar.gz -C "$folder" --strip-components=1
{
    .venv/bin/cmake -S "$folder/vendor/llama.cpp" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
        -DCMAKE_PROJECT_INCLUDE="$PWD/scripts/llama_cpp/compiler.cmake" -DGGML_NATIVE=ON -DLLAMA_OPENSSL=OFF \
        -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF &&
        .venv/bin/cmake --build "$folder/build" --target llama-server --parallel "$(nproc)"
} >"$folder/log" 2>&1 || {
    tail -n 30 "$folder/log" >&2
    echo "llama-server could not be compiled: see the lines above." >&2
    exit 1
}
cp "$folder/build/bin/llama-server" .venv/bin/llama-server
echo "$version $how" >"$stamp"
