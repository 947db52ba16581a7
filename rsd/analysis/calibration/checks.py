"""Predictions of one run, compared with runs at other thresholds.

RSD at δ = -inf writes what the draft alone writes, at δ = inf what the target alone writes.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from pydantic import BaseModel

from rsd.analysis.calibration.recorded import Rewards, own_threshold, read_rewards
from rsd.analysis.calibration.replay import unchanged as unchanged_at
from rsd.analysis.outcomes import decided, failed
from rsd.analysis.pairs import partners
from rsd.analysis.tables.labels import shortfall
from rsd.config import Config, differing_keys, strategy_facts
from rsd.protocols import NEUTRAL_SAMPLING
from rsd.records import Key, RunRecord

ALONE = {"draft": -inf, "target": inf}
"""Strategies of one model, with the threshold at which RSD writes the same."""


class PredictionCheck(BaseModel, ser_json_inf_nan="strings"):
    """A prediction and what one run at another threshold did, over the solutions to the same
    questions that finished and have a verdict in both runs."""

    run: str
    lacking: list[str]  # what it lacks of a whole run
    threshold: float
    solutions: int
    failed: int  # solutions left out as they failed in one of the two runs
    predicted_target_share: float | None
    target_share: float | None
    accuracy_least: float | None
    accuracy: float | None
    accuracy_most: float | None
    unchanged: int  # solutions predicted to be the same
    same_response: int  # of these, those whose response is the same text
    same_verdict: int  # of the unchanged, those with the same verdict


def check(run: RunRecord, rewards: Rewards, other: RunRecord) -> PredictionCheck:
    """Compare what `rewards`, of `run`, predict for the threshold of `other` with what `other`
    did, which must have no `differences`. Raises `ConfigError` if `other` should have rewards and
    has none yet."""
    alone = ALONE.get(other.config.decoding.strategy)
    threshold = other.config.decoding.threshold if alone is None else alone
    partner = partners(run, other)
    ours, theirs = decided(run), decided(other)
    common = [key for key in rewards.keys if key in ours and partner.get(key) in theirs]
    stands = dict(zip(rewards.keys, unchanged_at(rewards, threshold), strict=True))
    unchanged = [key for key in common if stands[key]]
    n, right = len(common), sum(ours[key] for key in unchanged)
    if alone is None:
        measured = _share(read_rewards(other), {partner[key] for key in common}, threshold)
    else:
        measured = float(alone == inf) if common else None
    return PredictionCheck(
        run=other.directory.resolve().name,
        lacking=shortfall(other),
        threshold=threshold,
        solutions=n,
        failed=sum(
            failed(run.trajectories[key]) or failed(other.trajectories[same])
            for key, same in partner.items()
        ),
        predicted_target_share=_share(rewards, set(common), threshold),
        target_share=measured,
        accuracy_least=right / n if n else None,
        accuracy=sum(theirs[partner[key]] for key in common) / n if n else None,
        accuracy_most=(right + n - len(unchanged)) / n if n else None,
        unchanged=len(unchanged),
        same_response=sum(
            run.trajectories[key].response == other.trajectories[partner[key]].response
            for key in unchanged
        ),
        same_verdict=sum(ours[key] == theirs[partner[key]] for key in unchanged),
    )


def differences(run: RunRecord, other: RunRecord) -> list[str]:
    """The keys in which `other` differs from `run`, other than the threshold and the problems
    asked. Without any, it can check a calibration on `run`."""
    strategy = other.config.decoding.strategy
    calibrated = strategy_facts(strategy).can_calibrate
    if not calibrated and strategy not in ALONE:
        return ["decoding.strategy"]
    if calibrated and own_threshold(other.config) is None:
        return ["decoding.weighting"]
    ours, theirs = _apart_from_threshold(run.config), _apart_from_threshold(other.config)
    if strategy in ALONE:  # it reads fewer keys, and has fewer models
        ours = {
            section: {key: ours[section][key] for key in keys if key in ours[section]}
            for section, keys in theirs.items()
        }
    return differing_keys(ours, theirs)


def _apart_from_threshold(config: Config) -> dict[str, dict[str, Any]]:
    decoding = {**NEUTRAL_SAMPLING, **config.determinants()["decoding"]}
    decoding.pop("sampling", None)
    for source in config.decoding.writers:  # so that a model alone is compared by its own values
        decoding[f"sampling.{source}"] = config.decoding.sampling_of(source).model_dump()
    # The oracle and a model alone write the responses of rsd with one candidate.
    decoding |= {"candidates": decoding.get("candidates", 1), "strategy": None, "threshold": None}
    return {"models": config.determinants()["models"], "decoding": decoding}


def _share(rewards: Rewards, keys: set[Key], threshold: float) -> float | None:
    which = np.array([key in keys for key in rewards.keys], dtype=np.bool_)[rewards.solution]
    below = rewards.reward[which] < threshold
    return float(below.mean()) if len(below) else None
