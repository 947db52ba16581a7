"""Predictions of one run held against what runs at other thresholds did.

The draft alone is what RSD comes to at δ = -inf, the target alone at δ = inf.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from rsd.analysis.calibration.recorded import STRATEGIES, Rewards, own_threshold, read_rewards
from rsd.analysis.calibration.replay import stands
from rsd.analysis.outcomes import decided, failed
from rsd.analysis.pairs import partners
from rsd.analysis.tables.labels import shortfall
from rsd.config import Config, differing_keys
from rsd.records import Key, RunRecord

ALONE = {"draft": -inf, "target": inf}
"""Strategies of one model, with the threshold at which RSD writes the same."""


class Check(BaseModel, ser_json_inf_nan="strings"):
    """One run at another threshold, over the solutions, paired by question, that both finished and
    have a verdict on: of a failed one nobody knows what it would have come to."""

    run: str
    lacking: list[str] = Field(description="what it lacks of a whole run; empty: nothing")
    threshold: float
    solutions: int
    failed: int = Field(description="solutions left out as they failed in one of the two runs")
    predicted_target_share: float | None
    target_share: float | None
    accuracy_least: float | None
    accuracy: float | None
    accuracy_most: float | None
    unchanged: int = Field(description="solutions predicted to be the same")
    same_response: int = Field(description="of these, those whose response is the same text")
    same_verdict: int = Field(description="of the unchanged, those with the same verdict")


def check(run: RunRecord, rewards: Rewards, other: RunRecord) -> Check:
    """What `rewards`, of `run`, predict for the threshold of `other`, which has no `differences`,
    and what it did. Raises `ConfigError` where `other` should have rewards and has none yet."""
    config, partner = other.config, partners(run, other)
    graded = decided(other)
    theirs = {key: graded[same] for key, same in partner.items() if same in graded}
    threshold = ALONE.get(config.decoding.strategy, config.decoding.threshold)
    pairs = zip(rewards.keys, rewards.right, stands(rewards, threshold), strict=True)
    ours = {key: (right == 1, same) for key, right, same in pairs if not np.isnan(right)}
    common = [key for key in ours if key in theirs]
    lost = [
        key
        for key, same in partner.items()
        if failed(run.trajectories[key]) or failed(other.trajectories[same])
    ]
    unchanged = [key for key in common if ours[key][1]]
    n, right = len(common), sum(bool(ours[key][0]) for key in unchanged)
    return Check(
        run=other.directory.resolve().name,
        lacking=shortfall(other),
        threshold=threshold,
        solutions=n,
        failed=len(lost),
        predicted_target_share=_share(rewards, set(common), threshold),
        target_share=_measured(other, {partner[key] for key in common}, threshold),
        accuracy_least=right / n if n else None,
        accuracy=sum(theirs[key] for key in common) / n if n else None,
        accuracy_most=(right + n - len(unchanged)) / n if n else None,
        unchanged=len(unchanged),
        same_response=sum(
            run.trajectories[key].response == other.trajectories[partner[key]].response
            for key in unchanged
        ),
        same_verdict=sum(bool(ours[key][0]) == theirs[key] for key in unchanged),
    )


def differences(run: RunRecord, other: RunRecord) -> list[str]:
    """The keys, but the threshold and which problems were asked, in which `other` differs from
    `run`; without any, it can check a calibration on it."""
    strategy = other.config.decoding.strategy
    if strategy not in (*STRATEGIES, *ALONE):
        return ["decoding.strategy"]
    if strategy in STRATEGIES and own_threshold(other.config) is None:
        return ["decoding.weighting"]
    ours, theirs = _apart_from_threshold(run.config), _apart_from_threshold(other.config)
    if strategy in ALONE:  # it reads fewer keys, and has fewer models
        ours = {
            section: {key: ours[section][key] for key in keys if key in ours[section]}
            for section, keys in theirs.items()
        }
    return differing_keys(ours, theirs)


def _apart_from_threshold(config: Config) -> dict[str, dict[str, Any]]:
    decoding = dict(config.determinants()["decoding"])
    # The oracle and a model alone write the responses of rsd with one candidate.
    decoding |= {"candidates": decoding.get("candidates", 1), "strategy": None, "threshold": None}
    return {"models": config.determinants()["models"], "decoding": decoding}


def _measured(other: RunRecord, keys: set[Key], threshold: float) -> float | None:
    if other.config.decoding.strategy in ALONE:
        return float(threshold == inf) if keys else None
    return _share(read_rewards(other), keys, threshold)


def _share(rewards: Rewards, keys: set[Key], threshold: float) -> float | None:
    which = np.array([key in keys for key in rewards.keys], dtype=np.bool_)[rewards.solution]
    below = rewards.reward[which] < threshold
    return float(below.mean()) if len(below) else None
