#!/bin/sh
# Style and types, as `make lint` and `make test` check them.
set -eu
cd "$(dirname "$0")/.."

if git grep -nE '^(<{7}|>{7}) ' -- . ':!*.md'; then
    echo "These lines are left over from a merge: settle them." >&2
    exit 1
fi
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy console hub_lambdas llm_api infra benchmarks
