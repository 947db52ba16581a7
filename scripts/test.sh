#!/usr/bin/env bash
# Every check and test, those on real vLLM servers included. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
bash scripts/check.sh
exec "$RSD_VENV/bin/python" -m pytest "$@"
