"""A calibration: the threshold for a budget, and how far the rewards of a run can be trusted."""

from __future__ import annotations

from math import inf

import numpy as np
from pydantic import BaseModel

from rsd.analysis.calibration.budget import Budget, budget, rounded, threshold_for
from rsd.analysis.calibration.checks import PredictionCheck, check, differences
from rsd.analysis.calibration.recorded import Rewards, own_threshold, read_rewards
from rsd.analysis.calibration.replay import AtThreshold, replay
from rsd.analysis.calibration.separation import (
    Auc,
    RewardBin,
    RewardGroup,
    clustered_auc,
    commonest_share,
    groups,
    kept_steps,
    lowest_of_solutions,
    reliability,
)
from rsd.analysis.tables.cells import percent
from rsd.analysis.tables.labels import labelled
from rsd.records import RunRecord

SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75)
"""Shares of steps by the target whose thresholds are listed."""

SEPARATES = 0.55
"""An AUC whose interval reaches below this may be no better than a coin's 0.5."""

EQUAL = 0.95
"""The share of equal rewards above which no threshold divides them."""

REPLACED = 0.02
"""The share of replaced steps above which the kept ones do not show the whole reward model."""


class Calibration(BaseModel, ser_json_inf_nan="strings"):
    """The calibration of one run. Infinite thresholds are "Infinity" and "-Infinity" in JSON."""

    run: str
    strategy: str  # as tables name it, with what the run lacks
    threshold: float | None  # δ of the run; None for a rule without
    problems: int
    solutions: int
    steps: int  # places where the draft tried and was scored
    rewards: list[RewardGroup]
    auc_steps: Auc | None  # of the kept draft steps
    auc_solutions: Auc | None  # of each solution's lowest kept reward
    reliability: list[RewardBin]
    budget: Budget
    thresholds: list[AtThreshold]  # ascending
    checks: list[PredictionCheck]  # of runs at other thresholds
    not_checked: dict[str, list[str]]  # runs that differ in more than δ, with the keys
    warnings: list[str]


def calibrate(
    run: RunRecord, target_share: float = 0.3, others: tuple[RunRecord, ...] = ()
) -> Calibration:
    """Calibrate on `run`, and check its predictions against those of `others` that have the same
    configuration but for the threshold.

    Raises `ConfigError` for a run without rewards; `ValueError` for a share outside [0, 1].
    """
    differing = {other.directory: differences(run, other) for other in others}
    rewards = read_rewards(run)
    own = own_threshold(run.config)
    chosen = budget(rewards, target_share)
    steps = clustered_auc(kept_steps(rewards))
    solutions = clustered_auc(lowest_of_solutions(rewards))
    return Calibration(
        run=run.directory.resolve().name,
        strategy=labelled(run),
        threshold=own,
        problems=len(np.unique(rewards.problem)),
        solutions=len(rewards.keys),
        steps=len(rewards.reward),
        rewards=groups(rewards),
        auc_steps=steps,
        auc_solutions=solutions,
        reliability=reliability(kept_steps(rewards)),
        budget=chosen,
        thresholds=[replay(rewards, it) for it in _thresholds(rewards, own, chosen)],
        checks=sorted(
            (check(run, rewards, it) for it in others if not differing[it.directory]),
            key=lambda it: it.threshold,
        ),
        not_checked={path.resolve().name: keys for path, keys in differing.items() if keys},
        warnings=_warnings(rewards, steps, solutions),
    )


def _thresholds(rewards: Rewards, own: float | None, chosen: Budget) -> list[float]:
    """Accepting all, the quantiles at `SHARES`, the threshold of the run and the chosen one."""
    quantiles = (threshold_for(rewards.reward, share) for share in SHARES)
    found = {-inf, chosen.threshold, *(rounded(rewards.reward, it) for it in quantiles)}
    return sorted(found if own is None else found | {own})


def _warnings(rewards: Rewards, steps: Auc | None, solutions: Auc | None) -> list[str]:
    found = []
    equal, replaced = commonest_share(rewards), float(np.mean(~rewards.kept))
    if equal > EQUAL:
        found.append(
            f"{percent(equal)} of the rewards are equal: no threshold divides them. Check the "
            "reward model's kind and template with rsd doctor."
        )
    complete = (
        "To measure the reward model over all rewards, calibrate a run with -o "
        "decoding.threshold=-.inf: it keeps every draft step and costs no target step."
    )
    if steps is None or solutions is None:
        found.append(
            f"No AUC: it takes right and wrong solutions with kept draft steps. {complete}"
        )
    elif max(steps.ci95[0], solutions.ci95[0]) < SEPARATES:
        found.append(
            "Among the kept steps, the reward hardly separates right answers from wrong ones; "
            f"the {percent(replaced)} that were replaced led to no answer. {complete}"
            if replaced > REPLACED
            else "The reward model hardly separates right from wrong: a coin may do as well. The "
            "strategy random is such a coin; compare with it."
        )
    return found
