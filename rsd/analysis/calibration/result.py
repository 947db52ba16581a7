"""Which threshold suits a reward model and a budget, from the rewards that a run recorded.

    calibration = calibrate(read_run(directory), target_share=0.3)
    render_calibration(calibration)                 text (`rsd.analysis.calibration.table`)
    calibration.model_dump_json()                   for machines

Nothing is decoded. docs/calibration.md says what may be concluded from it and what may not.
"""

from __future__ import annotations

from math import inf

import numpy as np
from pydantic import BaseModel, Field

from rsd.analysis.calibration.budget import Budget, budget, rounded, threshold_for
from rsd.analysis.calibration.checks import Check, check, differences
from rsd.analysis.calibration.recorded import Rewards, own_threshold, read_rewards
from rsd.analysis.calibration.replay import AtThreshold, replay
from rsd.analysis.calibration.separation import (
    Auc,
    Group,
    Reliability,
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
"""An AUC whose interval reaches below this is near a coin's 0.5."""

EQUAL = 0.95
"""A share of equal rewards beyond which no threshold divides them."""

REPLACED = 0.02
"""A share of replaced steps from which the kept ones do not show the whole reward model."""


class Hindsight(BaseModel, ser_json_inf_nan="strings"):
    """Of a run that scored both models' steps (oracle): the verdicts of `threshold` by the
    reward model's own judgement."""

    threshold: float
    wasted: float | None = Field(
        description="of the draft steps rejected, the share where the target's step is no better"
    )
    mistaken: float | None = Field(description="of those kept, the share where it is better")


class Calibration(BaseModel, ser_json_inf_nan="strings"):
    """What the rewards of one run tell. Infinite thresholds are "Infinity" and "-Infinity" in
    JSON."""

    run: str
    strategy: str = Field(description="in words, with what the run lacks")
    threshold: float | None = Field(description="δ of the run; None for a rule without")
    problems: int
    solutions: int
    steps: int = Field(description="places where the draft tried and was scored")
    rewards: list[Group]
    auc_steps: Auc | None = Field(description="of the kept draft steps")
    auc_solutions: Auc | None = Field(description="of each solution's lowest kept reward")
    reliability: Reliability | None
    budget: Budget
    thresholds: list[AtThreshold] = Field(description="ascending")
    hindsight: list[Hindsight] = Field(description="empty unless both models' steps were scored")
    checks: list[Check] = Field(description="predictions against runs at other thresholds")
    not_checked: dict[str, list[str]] = Field(
        description="runs that differ in more than the threshold, with the keys"
    )
    warnings: list[str]


def calibrate(
    run: RunRecord, target_share: float = 0.3, others: tuple[RunRecord, ...] = ()
) -> Calibration:
    """Calibrate on `run`, and hold what it predicts against those of `others` that have the same
    configuration but for the threshold.

    Raises `ConfigError` for a run without rewards; `ValueError` for a share outside [0, 1].
    """
    differing = {other.directory: differences(run, other) for other in others}
    rewards = read_rewards(run)
    own = own_threshold(run.config)
    chosen = budget(rewards, target_share)
    thresholds = _thresholds(rewards, own, chosen)
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
        thresholds=[replay(rewards, threshold) for threshold in thresholds],
        hindsight=_hindsight(rewards, thresholds),
        checks=sorted(
            (check(run, rewards, it) for it in others if not differing[it.directory]),
            key=lambda made: made.threshold,
        ),
        not_checked={path.resolve().name: keys for path, keys in differing.items() if keys},
        warnings=_warnings(rewards, steps, solutions),
    )


def _thresholds(rewards: Rewards, own: float | None, chosen: Budget) -> list[float]:
    """Accepting all, the quantiles at `SHARES` in few digits, the run's own and the chosen one."""
    found = {-inf, chosen.threshold}
    distinct = np.unique(rewards.reward)
    for share in SHARES:
        found.add(rounded(distinct, threshold_for(rewards.reward, share)))
    return sorted(found if own is None else found | {own})


def _hindsight(rewards: Rewards, thresholds: list[float]) -> list[Hindsight]:
    both = ~np.isnan(rewards.alternative)
    draft, target = rewards.reward[both], rewards.alternative[both]
    if not len(draft):
        return []
    better, found = target > draft, []
    for threshold in thresholds:
        kept = draft >= threshold
        found.append(
            Hindsight(
                threshold=threshold,
                wasted=float(np.mean(~better[~kept])) if not kept.all() else None,
                mistaken=float(np.mean(better[kept])) if kept.any() else None,
            )
        )
    return found


def _warnings(rewards: Rewards, steps: Auc | None, solutions: Auc | None) -> list[str]:
    found = []
    equal = commonest_share(rewards)
    if equal > EQUAL:
        found.append(
            f"{percent(equal)} of the rewards are equal: no threshold divides them. Check the "
            "reward model's kind and template with rsd doctor."
        )
    replaced = float(np.mean(~rewards.kept))
    complete = (
        "To measure the reward model over all rewards, calibrate a run with -o "
        "decoding.threshold=-.inf: it keeps every draft step and costs no target step."
    )
    if steps is None or solutions is None:
        found.append(
            f"No AUC: it takes right and wrong solutions with kept draft steps. {complete}"
        )
    elif max(steps.ci95[0], solutions.ci95[0]) < SEPARATES and replaced > REPLACED:
        found.append(
            "Among the steps that were kept, the reward hardly tells right answers from wrong "
            f"ones; the {percent(replaced)} that were replaced led to none. {complete}"
        )
    elif max(steps.ci95[0], solutions.ci95[0]) < SEPARATES:
        found.append(
            "The reward model hardly separates right from wrong: a coin may do as well. The "
            "strategy random is such a coin; compare with it."
        )
    return found
