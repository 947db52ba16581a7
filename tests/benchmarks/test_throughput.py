"""The benchmark against lock-step, on fake servers: both sides come to the same steps."""

from __future__ import annotations

import json
from pathlib import Path

import throughput
from harness.common import Demo


def test_both_sides_take_the_same_steps_and_are_written_down(demo: Demo, results: Path) -> None:
    measured = throughput.measure(demo, None, sizes=[3], repetitions=2, forget=lambda config: None)
    throughput.report(measured)
    written = json.loads((results / "throughput.json").read_text(encoding="utf-8"))
    (size,) = written["result"]["sizes"]
    assert (size["problems"], size["solutions"], size["differences"]) == (3, 6, [])
    assert len(size["rsd_s"]) == len(size["lock_step_s"]) == 2
    assert size["rsd_cpu_s"]["driver"] > 0
    assert (results / "throughput.png").read_bytes().startswith(b"\x89PNG")


def test_a_difference_is_named_by_its_first_step(demo: Demo) -> None:
    config = demo.config()
    loop = throughput.lock_step_loop(config, None)
    _, trajectories = throughput.by_rsd(config)
    questions = [trajectory.question for trajectory in trajectories]
    _, solutions = throughput.by_lock_step(loop, questions)
    pairs = list(zip(solutions, trajectories, strict=True))
    assert [throughput.difference(*pair) for pair in pairs] == [None] * len(pairs)
    solution, trajectory = next(pair for pair in pairs if len(pair[0].entries) > 1)
    solution.entries[1].text += "!"
    found = throughput.difference(solution, trajectory)
    assert found is not None
    assert (found["what"], found["step"]) == ("text", trajectory.steps[1].index)
    del solution.entries[1:]
    found = throughput.difference(solution, trajectory)
    assert found is not None
    assert found["what"] == "end"
