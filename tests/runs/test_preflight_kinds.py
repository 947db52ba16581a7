"""The checks of the reward model, for each kind of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from backends.reward_servers import BEHAVIORS, Fake, fake_of

from rsd.runs import PreflightCheck, examine
from rsd.testing import ByteTokenizer

_DRIFTS = {"skywork": -0.05, "qwen25-math": -0.05, "judge": 25.0}
"""In rewards, else in log-probabilities; of the judge's grade 0, which has nearly none."""
_SCORED = ("rewards", "cache")


def reward_checks(fake: Fake) -> dict[str, PreflightCheck]:
    async def collect() -> dict[str, PreflightCheck]:
        return {check.name: check async for check in examine(fake.config)}

    found = asyncio.run(collect())
    wanted = [f"{who} {what}" for who in ("prm", "judge") for what in ("tokenizer", *_SCORED)]
    return {name: found[name] for name in wanted if name in found}


@pytest.mark.parametrize("kind", BEHAVIORS)
def test_a_fit_server_of_its_kind_is_ok(kind: str, tmp_path: Path) -> None:
    with fake_of(kind, tmp_path) as fake:
        found = reward_checks(fake)
    if kind == "judge":
        assert list(found) == ["judge rewards", "judge cache"]
    else:
        assert list(found) == ["prm tokenizer", "prm rewards", "prm cache"]
    assert {check.status for check in found.values()} == {"ok"}


@pytest.mark.parametrize("kind", BEHAVIORS)
def test_rewards_that_the_prefix_cache_changes(kind: str, tmp_path: Path) -> None:
    with fake_of(kind, tmp_path) as fake:
        fake.app.state.faults.warm_drift = _DRIFTS.get(kind, -1.0)
        found = reward_checks(fake)
    name = "judge cache" if kind == "judge" else "prm cache"
    assert found[name].status == "fail"
    assert "with its prefix cached" in found[name].detail


@pytest.mark.parametrize("kind", ["qwen25-math", "math-shepherd", "rlhflow"])
def test_a_server_with_another_tokenizer(kind: str, tmp_path: Path) -> None:
    with fake_of(kind, tmp_path) as fake:
        fake.app.state.engine.tokenizer = ByteTokenizer(shift=7)
        assert reward_checks(fake)["prm tokenizer"].status == "fail"
