#!/usr/bin/env bash
# From a fresh clone to a comparison of draft-only, target-only and RSD on three real vLLM
# servers, on the CPU. Run again, it skips what is done. Arguments go to `rsd run`, for example
#   bash scripts/quickstart.sh -o run.limit=20
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
rsd="$RSD_VENV/bin/rsd"
config=configs/demo.yaml
strategies=(draft target rsd)

directories=()
owed=0
for strategy in "${strategies[@]}"; do
  status="$("$rsd" run "$config" -o "name=demo-$strategy" -o "decoding.strategy=$strategy" "$@" --status)"
  directories+=("${status%%$'\t'*}")
  owed=$((owed + ${status##*$'\t'}))
done

failed=0
if [ "$owed" -gt 0 ]; then
  state="$(mktemp -d)"
  "$rsd" serve "$config" --ready-file "$state/ready" &
  servers=$!
  trap 'kill "$servers" 2>/dev/null || true; wait "$servers" 2>/dev/null || true; rm -rf "$state"' EXIT
  until [ -e "$state/ready" ]; do
    kill -0 "$servers" 2>/dev/null || { echo "quickstart: the servers did not start (see above)" >&2; exit 1; }
    sleep 0.5
  done
  for strategy in "${strategies[@]}"; do
    # A server that dies takes the others along, and nobody starts them again: do not wait for it.
    "$rsd" run "$config" -o "name=demo-$strategy" -o "decoding.strategy=$strategy" \
      -o run.on_server_loss=fail "$@" > /dev/null || failed=$?
    [ "$failed" -lt 2 ] || exit "$failed"
  done
fi

echo
"$rsd" report "${directories[@]}" --html runs/quickstart.html
exit "$failed"
