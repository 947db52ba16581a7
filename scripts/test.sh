#!/usr/bin/env bash
# Every check, then every test, those on real vLLM servers included, on all processor cores.
#
#   bash scripts/test.sh                        all; 15 minutes on two cores
#   bash scripts/test.sh --fast                 without servers and slow tests; 3 minutes
#   bash scripts/test.sh --thorough             with all examples of the slow properties
#   bash scripts/test.sh tests/grading -n 0     other arguments go to pytest; -n 0: one process
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh

chosen=()
arguments=()
for argument in "$@"; do
  if [ "$argument" = --fast ]; then
    chosen=(-m "not servers and not slow")
  else
    arguments+=("$argument")
  fi
done
workers="$(nproc)"
[ "$workers" -le 4 ] || workers=4

bash scripts/check.sh
exec "$RSD_VENV/bin/python" -m pytest -n "$workers" \
  ${chosen[@]+"${chosen[@]}"} ${arguments[@]+"${arguments[@]}"}
