#!/bin/sh
# Style and types, as `make lint` and `make test` check them.
set -eu
cd "$(dirname "$0")/.."

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy console hub_lambdas llm_api infra
