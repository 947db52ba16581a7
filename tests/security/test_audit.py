"""`scripts/audit.sh` never passes for an audit that it did not make."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.sh"
CLEAN = "no known vulnerability"


def audit(tmp_path: Path, *, reachable: bool, found: bool = False) -> tuple[int, str]:
    """Its exit code and what it says, with stand-ins for the database and for pip-audit."""
    for name, code in (("curl", not reachable), ("audit/bin/pip-audit", found)):
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\nexit {int(code)}\n")
        program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", str(SCRIPT)],
        env=os.environ | {"PATH": path, "RSD_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def test_a_database_out_of_reach_is_said(tmp_path: Path) -> None:
    code, told = audit(tmp_path, reachable=False)
    assert code == 0
    assert "skipped" in told
    assert "NOT looked for" in told


def test_a_finding_fails_every_time(tmp_path: Path) -> None:
    for _ in range(2):
        code, told = audit(tmp_path, reachable=True, found=True)
        assert code != 0
        assert CLEAN not in told


def test_a_clean_audit_counts_for_its_day_if_the_database_is_there(tmp_path: Path) -> None:
    assert audit(tmp_path, reachable=True) == (0, "")  # pip-audit itself says what it found
    assert CLEAN in audit(tmp_path, reachable=True, found=True)[1]
    assert CLEAN not in audit(tmp_path, reachable=False)[1]
