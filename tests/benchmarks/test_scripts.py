"""Benchmarks that need real servers or files of their own at least start, and what was measured
is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("script", ["grader.py", "soak.py"])
def test_it_says_what_it_takes(script: str) -> None:
    asked = subprocess.run(
        [sys.executable, FOLDER / script, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=FOLDER.parent,
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.startswith("usage: ")


@pytest.mark.parametrize("plot", sorted((FOLDER / "results").glob("*.png")), ids=lambda p: p.stem)
def test_a_plot_lies_beside_its_figures(plot: Path) -> None:
    assert plot.with_suffix(".json").exists()
