"""The benchmarks of lookahead, step cache, reward model, driver and report: their smallest
settings."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import driver
import latency
import prm_tokens
import pytest
import report
import sweep_cache

pytestmark = pytest.mark.slow


def test_latency(results: Path, as_demo_servers: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "demo_servers", as_demo_servers)
    monkeypatch.setattr(latency, "WARM_UP", 1)
    written = run(monkeypatch, results, latency, "--problems", "3")
    assert written["differing_problems"] == 0


def test_sweep_cache(
    results: Path, as_demo_servers: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_cache, "demo_servers", as_demo_servers)
    monkeypatch.setattr(sweep_cache, "forget_prefixes", lambda config: None)
    monkeypatch.setattr(sweep_cache, "thresholds", lambda: [0.5, 0.9])
    written = run(monkeypatch, results, sweep_cache, "--problems", "2")
    assert set(written["solutions_that_differ"].values()) == {0}


def test_prm_tokens(
    results: Path, as_demo_servers: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prm_tokens, "demo_servers", as_demo_servers)
    for name, value in {"STEPS": 11, "SOLUTIONS": 2, "AT": 10}.items():
        monkeypatch.setattr(prm_tokens, name, value)
    written = run(monkeypatch, results, prm_tokens)
    fewer = written["mean_tokens_by_steps"]
    assert fewer["rsd"][-1] < fewer["whole prefix"][-1]


@pytest.mark.parametrize("line", ["scripted", "client"])
def test_driver(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "AT_LEAST", 3)
    point = asyncio.run(driver.measure(line, 2))
    assert point["problems"] == 3
    assert point["steps"] > 3


def test_report(tmp_path: Path) -> None:
    cost = report.measure(tmp_path, problems=12, steps=3)
    assert (cost["problems"], cost["steps"]) == (12, 3)
    assert cost["cpu_s"] > 0
    assert (tmp_path / "12.html").stat().st_size > 10_000


def run(
    monkeypatch: pytest.MonkeyPatch, results: Path, script: object, *arguments: str
) -> dict[str, object]:
    """Run a benchmark's `main`; its result."""
    name = script.__name__
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
    script.main()
    assert (results / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))["result"]
