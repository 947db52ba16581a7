#!/usr/bin/env bash
# Holds the pinned packages against the OSV database of known vulnerabilities, at most once a day.
# A machine that cannot reach the database skips this, and says so. A finding fails.
set -euo pipefail
cd "$(dirname "$0")/.."

service=https://api.osv.dev
home="${RSD_VENV:-.venv}/audit" # an environment of its own: pip-audit is no dependency
ignored=(                       # a vulnerability that does not concern rsd: its id, and a comment why
)

curl --silent --output /dev/null --max-time 10 "$service" || {
  echo "audit: skipped: $service cannot be reached; known vulnerabilities were NOT looked for"
  exit 0
}
stamp="$home/$(date +%F)-$(sha256sum requirements-cpu.txt | cut -c1-16)"
if [ -e "$stamp" ]; then
  echo "audit: no known vulnerability (looked for earlier today)"
  exit 0
fi
if [ ! -x "$home/bin/pip-audit" ]; then
  "${RSD_VENV:-.venv}/bin/python" -m venv "$home"
  "$home/bin/python" -m pip install --quiet "pip-audit>=2.9,<3" || {
    echo "audit: skipped: pip-audit cannot be installed; known vulnerabilities were NOT looked for"
    exit 0
  }
fi
# The CPU build of torch has a version of its own, "+cpu", that no database knows.
pins="$(mktemp)"
trap 'rm -f "$pins"' EXIT
sed 's/+cpu$//' requirements-cpu.txt > "$pins"
"$home/bin/pip-audit" --vulnerability-service osv --disable-pip --no-deps --progress-spinner off \
  "${ignored[@]/#/--ignore-vuln=}" --requirement "$pins"
touch "$stamp"
