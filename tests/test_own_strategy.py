"""docs/strategies.md: its own strategy is run as a user would run it, and its table is true."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest
from cluster import PROBLEMS, Cluster
from gateway.running import CHAT, running

from rsd.config import STRATEGIES, load, strategy_facts
from rsd.records import read_run

DOC = Path(__file__).parents[1] / "docs" / "strategies.md"
NAME = "my_strategy:TwoDraftsThenTarget"


def test_a_strategy_in_a_file_of_its_own_is_run_resumed_and_reported(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)
    assert len(code.splitlines()) < 40
    (tmp_path / "my_strategy.py").write_text(code, encoding="utf-8")

    def rsd(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "rsd", *arguments]  # -P: as the installed command
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    keys = {"strategy": NAME, "options.bar": "0.5", "temperature": "0.7"}
    overrides = [part for key in keys for part in ("-o", f"decoding.{key}={keys[key]}")]
    rsd("run", str(cluster.path), *overrides)
    (directory,) = (tmp_path / "runs").iterdir()
    page = tmp_path / "page.html"
    table = rsd("report", str(directory), "--html", str(page))
    assert re.search(r"TwoDraftsThenTarget .*\] +(\d+%) +(\d+%) ", table)  # and the acceptance rate
    assert "TwoDraftsThenTarget" in page.read_text(encoding="utf-8")

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    run = read_run(directory)
    assert len(run.grades) == PROBLEMS
    assert all(grade.correct for grade in run.grades.values())
    shapes = set()
    for trajectory in run.trajectories.values():
        for _, steps in groupby(trajectory.steps, key=lambda step: step.index):
            shapes.add(tuple((s.source, s.candidate, s.accepted) for s in steps))
    kept, rejected = ("draft", 0, True), ("draft", 0, False)
    assert (kept,) in shapes
    assert shapes <= {
        (kept,),
        (rejected, ("draft", 1, True)),
        (rejected, ("draft", 1, False), ("target", 0, True)),
    }
    assert len(shapes) > 1

    asked = sum(len(app.state.requests) for app in cluster.apps.values())
    rsd("run", str(cluster.path), *overrides)
    assert sum(len(app.state.requests) for app in cluster.apps.values()) == asked


def test_it_answers_at_the_gateway(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)
    (tmp_path / "strategy_at_the_gateway.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    name = "strategy_at_the_gateway:TwoDraftsThenTarget"
    mine = {"strategy": name, "options": {"bar": 1.0}, "temperature": 0.7}

    async def main() -> None:
        async with running(cluster, f"gateway.models={json.dumps({'mine': mine})}") as gateway:
            answer = await gateway.client().chat.completions.create(
                model="mine", messages=CHAT, extra_body={"rsd": {"include_steps": True}}
            )
            choice = answer.choices[0].model_dump()
            assert choice["message"]["content"].endswith("\\boxed{25}.")
            tried = [step["source"] for step in choice["rsd"]["steps"] if step["index"] == 0]
            assert tried == ["draft", "draft", "target"]
            assert answer.model_dump()["rsd"]["strategy"] == name

    asyncio.run(main())


def test_every_strategy_is_in_the_documentation_with_its_keys() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", DOC.read_text(encoding="utf-8"), re.M)
    keys = {name: cell for names, cell in rows for name in re.findall(r"`(\w+)`", names)}
    assert STRATEGIES.keys() <= keys.keys()
    for name in STRATEGIES:
        if name != "oracle":  # its row refers to that of rsd
            assert set(re.findall(r"`(\w+)`", keys[name])) == set(strategy_facts(name).keys), name


def test_the_documented_settings_load() -> None:
    demo = Path(__file__).parents[1] / "configs" / "demo.yaml"
    text = DOC.read_text(encoding="utf-8")
    (line,) = [x for x in text.splitlines() if "best_of_n -o" in x]
    assert load(demo, re.findall(r"-o (\S+)", line)).decoding.candidates == 8
