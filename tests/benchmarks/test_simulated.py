"""The benchmark of three simulated devices, with few problems."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import simulated
from harness import devices

pytestmark = pytest.mark.slow

SERVERS = ("draft", "target", "prm")


def test_the_benchmark_writes_its_figures_and_its_plot(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "VARIATIONS", {"H100": devices.H100})
    arguments = ["--problems", "6", "--in-flight", "1", "6", "--draws", "2"]
    monkeypatch.setattr(sys, "argv", ["simulated.py", *arguments])
    simulated.main()
    written = json.loads((results / "simulated.json").read_text(encoding="utf-8"))
    assert written["command"] == f"python benchmarks/simulated.py {' '.join(arguments)}"
    result = written["result"]
    one, six = (result["rsd_by_problems_in_flight"][number] for number in ("1", "6"))
    assert six["makespan_s"] < one["makespan_s"]
    assert result["longest_solution_alone_s"] <= six["makespan_s"]
    # One after the other: no two devices work at a time.
    assert sum(result["lock_step"]["servers"][role]["busy_share"] for role in SERVERS) <= 1
    assert (results / "simulated.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_draws_give_the_same_problems_and_figures() -> None:
    setting = devices.A100
    assert devices.World(5, setting.draws).problems == devices.World(5, setting.draws).problems
    sides = [simulated.pair(5, setting, in_flight=3) for _ in range(2)]
    assert sides[0][0].figures() == sides[1][0].figures()
    assert sides[0][1].figures() == sides[1][1].figures()


def test_lock_step_reads_every_solution_again_and_rsd_does_not() -> None:
    slow, fast = simulated.pair(4, devices.A100, in_flight=4)
    assert slow.engines["prm"].counters.cached == 0
    assert slow.engines["prm"].counters.computed > 2 * fast.engines["prm"].counters.computed
