#!/usr/bin/env bash
# The checks that need no server: formatting, lint, types, floors, known vulnerabilities.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="${RSD_VENV:-.venv}/bin"
export PATH="$(cd "$bin" && pwd):$PATH"
set -x
ruff format --check .
ruff check .
mypy
lint-imports
bash scripts/audit.sh
