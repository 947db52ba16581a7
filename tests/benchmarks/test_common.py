"""What the benchmarks share."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest
from harness import common


def test_a_bootstrapped_ratio_covers_the_true_one_as_often_as_it_says() -> None:
    dice = random.Random(0)
    covered = 0
    for trial in range(200):
        below = [dice.uniform(1, 3) for _ in range(40)]
        above = [2 * value * dice.uniform(0.8, 1.2) for value in below]
        ratio = common.bootstrap_ratio(above, below, resamples=500, seed=trial)
        covered += ratio.low <= 2 <= ratio.high
    assert 0.9 <= covered / 200 <= 0.99


def test_a_repeated_ratio_covers_the_true_one_as_often_as_it_says() -> None:
    dice = random.Random(0)
    covered = 0
    for _ in range(400):
        below = [dice.lognormvariate(0, 1) for _ in range(5)]
        above = [2 * value * dice.lognormvariate(0, 0.3) for value in below]
        ratio = common.repeated_ratio(above, below)
        covered += ratio.low <= 2 <= ratio.high
    assert 0.92 <= covered / 400 <= 0.98


def test_the_inverse_ratio_has_the_inverse_interval() -> None:
    ratio = common.repeated_ratio([2, 3, 5], [1, 1, 2])
    inverse = common.repeated_ratio([1, 1, 2], [2, 3, 5])
    assert inverse == pytest.approx((1 / ratio.value, 1 / ratio.high, 1 / ratio.low))


@pytest.mark.parametrize("interval", [common.bootstrap_ratio, common.repeated_ratio])
def test_one_measurement_has_no_interval(interval: object) -> None:
    with pytest.raises(ValueError, match="at least two"):
        interval([1.0], [2.0])  # type: ignore[operator]


def test_a_result_says_when_and_on_what_but_not_where(results: Path) -> None:
    text = common.write_result("name", {"figure": 1.5}).read_text(encoding="utf-8")
    written = json.loads(text)
    assert written["result"] == {"figure": 1.5}
    assert set(written["machine"]) == {"cpu", "cores", "memory_gib"}
    assert written["versions"]["rsd"]
    assert len(written["load_average_at_start"]) == 3
    assert os.uname().nodename not in text
    assert str(Path.home()) not in text


def test_processor_time_counts_a_process_and_what_is_below_it() -> None:
    before = common.cpu_seconds(os.getpid())
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    assert common.cpu_seconds(os.getpid()) - before >= 0.25
    assert common.cpu_seconds(1 << 30) == 0


def test_running_servers_need_ports() -> None:
    with pytest.raises(ValueError, match="--ports"), common.demo_servers(start=False):
        pass
