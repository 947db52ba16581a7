"""The recorded rewards of a run as arrays, with one row for each place where the draft tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd.analysis.outcomes import decided, failed
from rsd.config import Config, strategy_facts
from rsd.errors import ConfigError
from rsd.records import Key, RunRecord, StepRecord, TrajectoryRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rewards:
    """The draft steps that a run recorded.

    Arrays over places, in the order of solutions and of steps: `reward` of the draft step that was
    judged (of several candidates the best), `kept`, whether the rule kept it, `solution` (an index
    into `keys`), `repeated`, whether the target wrote the same step there and the solution goes on
    after it, and `alternative`, the reward of the target's step (nan where none was scored).

    Arrays over solutions: `right` (0 or 1; nan if it failed or has no verdict) and `problem` (a
    number for each (task, problem_id)).
    """

    keys: tuple[Key, ...]
    right: Floats
    problem: Ints
    reward: Floats
    kept: Bools
    solution: Ints
    repeated: Bools
    alternative: Floats


def read_rewards(run: RunRecord) -> Rewards:
    """The rewards of `run`. Raises `ConfigError`, with the fix, for a run that has none."""
    strategy = run.config.decoding.strategy
    if not strategy_facts(strategy).can_calibrate:
        raise ConfigError(
            f"{run.directory}: a run of {strategy!r} has no draft steps that a reward model "
            "judged; calibrate a run of rsd or oracle. The draft alone with every step scored is "
            "rsd with -o decoding.threshold=-.inf"
        )
    verdicts = decided(run)
    keys = tuple(key for key, it in run.trajectories.items() if it.steps or failed(it))
    problems: dict[tuple[str, str], int] = {}
    numbers = [problems.setdefault(key[:2], len(problems)) for key in keys]
    places = [
        (number, *place)
        for number, key in enumerate(keys)
        for place in _places(run.trajectories[key])
    ]
    if not places:
        raise ConfigError(f"{run.directory}: no draft step has a reward yet; finish the run first")
    solution, reward, kept, repeated, alternative = zip(*places, strict=True)
    return Rewards(
        keys=keys,
        right=np.array([float(verdicts.get(key, np.nan)) for key in keys]),
        problem=np.array(numbers, dtype=np.int64),
        reward=np.array(reward, dtype=np.float64),
        kept=np.array(kept, dtype=np.bool_),
        solution=np.array(solution, dtype=np.int64),
        repeated=np.array(repeated, dtype=np.bool_),
        alternative=np.array(alternative, dtype=np.float64),
    )


def own_threshold(config: Config) -> float | None:
    """δ of a run; None for a weighting without one."""
    return config.decoding.threshold if config.decoding.weighting == "step" else None


def _places(it: TrajectoryRecord) -> list[tuple[float, bool, bool, float]]:
    """(reward, kept, repeated, alternative) of each place with a scored draft step."""
    target = {step.index: step for step in it.steps if step.source == "target"}
    drafts = [step for step in it.steps if step.source == "draft"]
    kept = {step.index for step in drafts if step.accepted}
    best: dict[int, StepRecord] = {}
    scored = (step for step in drafts if step.reward is not None)
    for step in sorted(scored, key=lambda step: -(step.reward or 0.0)):
        best.setdefault(step.index, step)
    last = max((step.index for step in it.steps), default=0)
    places = []
    for index, step in sorted(best.items()):
        assert step.reward is not None
        other = target.get(index)
        # Equal texts at the end of a solution need not end alike: one model may go on.
        repeated = other is not None and other.text == step.text and index < last
        alternative = np.nan if other is None or other.reward is None else other.reward
        places.append((step.reward, index in kept, repeated, alternative))
    return places
