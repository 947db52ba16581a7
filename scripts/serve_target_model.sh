#!/usr/bin/env bash
# Serve the target model of a configuration until Ctrl-C; prints the vLLM command that it runs.
#   CONFIG=configs/demo.yaml bash scripts/serve_target_model.sh --timeout 1800
set -euo pipefail
cd "$(dirname "$0")/.."
CONFIG="${CONFIG:-configs/paper/qwen25_math_7b_1.5b_prm1.5b.yaml}"
rsd="${RSD_VENV:-.venv}/bin/rsd"
[ -x "$rsd" ] || rsd=rsd
exec "$rsd" serve "$CONFIG" --only target "$@"
