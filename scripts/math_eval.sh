#!/usr/bin/env bash
# Run the benchmarks of a configuration against servers that are up (see serve_*.sh).
#   CONFIG=configs/demo.yaml bash scripts/math_eval.sh -o run.limit=20
set -euo pipefail
cd "$(dirname "$0")/.."
CONFIG="${CONFIG:-configs/paper/qwen25_math_7b_1.5b_prm1.5b.yaml}"
rsd="${RSD_VENV:-.venv}/bin/rsd"
[ -x "$rsd" ] || rsd=rsd
set -x
exec "$rsd" run "$CONFIG" "$@"
