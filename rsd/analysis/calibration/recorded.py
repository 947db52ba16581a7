"""The recorded rewards of a run, as arrays: one row for each place where the draft tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd.analysis.outcomes import decided, failed
from rsd.config import Config
from rsd.errors import ConfigError
from rsd.records import Key, RunRecord, StepRecord, TrajectoryRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STRATEGIES = ("rsd", "oracle")
"""Those whose verdicts are rewards held against a rule."""


@dataclass(frozen=True, slots=True)
class Rewards:
    """What a run recorded of its draft steps.

    Arrays over places, in the order of solutions and within each from its first step: `reward`
    of the draft step that was put to the rule (of several candidates the best), `kept`, whether
    the rule kept it, `solution` (an index into `keys`), `index` of the place in its response,
    `repeated`, whether the target wrote the very same step there and the solution goes on after
    it, and `alternative`, the reward of the target's step, nan where none was scored.

    Arrays over solutions: `right` (nan: failed or without a verdict, else 0 or 1) and
    `problem` (a number for each (task, problem_id)).
    """

    keys: tuple[Key, ...]
    right: Floats
    problem: Ints
    reward: Floats
    kept: Bools
    solution: Ints
    index: Ints
    repeated: Bools
    alternative: Floats


def read_rewards(run: RunRecord) -> Rewards:
    """The rewards of `run`. Raises `ConfigError` for a run that has none, naming the mend."""
    check_has_rewards(run)
    right = decided(run)
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
    solution, index, reward, kept, repeated, alternative = zip(*places, strict=True)
    return Rewards(
        keys=keys,
        right=np.array([float(right.get(key, np.nan)) for key in keys]),
        problem=np.array(numbers, dtype=np.int64),
        reward=np.array(reward, dtype=np.float64),
        kept=np.array(kept, dtype=np.bool_),
        solution=np.array(solution, dtype=np.int64),
        index=np.array(index, dtype=np.int64),
        repeated=np.array(repeated, dtype=np.bool_),
        alternative=np.array(alternative, dtype=np.float64),
    )


def check_has_rewards(run: RunRecord) -> None:
    """Raises `ConfigError` unless the strategy of `run` holds rewards against a rule."""
    name = run.config.decoding.strategy
    if name not in STRATEGIES:
        raise ConfigError(
            f"{run.directory}: a run of {name!r} has no draft steps that a reward model judged; "
            "calibrate a run of rsd or oracle. The draft alone with every step scored is rsd with "
            "-o decoding.threshold=-.inf"
        )


def own_threshold(config: Config) -> float | None:
    """δ of a run that has one: None for the weightings without."""
    return config.decoding.threshold if config.decoding.weighting == "step" else None


def _places(it: TrajectoryRecord) -> list[tuple[int, float, bool, bool, float]]:
    """(index, reward, kept, repeated, alternative) of each place with a scored draft step."""
    best: dict[int, StepRecord] = {}
    target: dict[int, StepRecord] = {}
    kept: set[int] = set()
    for step in it.steps:
        if step.source == "target":
            target[step.index] = step
            continue
        if step.accepted:
            kept.add(step.index)
        rival = best.get(step.index)
        if step.reward is not None and (rival is None or step.reward > (rival.reward or 0.0)):
            best[step.index] = step
    last = max((step.index for step in it.steps), default=0)
    places = []
    for index, step in sorted(best.items()):
        assert step.reward is not None
        other = target.get(index)
        # At the end of a solution equal texts need not end alike: one model may go on.
        repeated = other is not None and other.text == step.text and index < last
        reward = other.reward if other is not None and other.reward is not None else np.nan
        places.append((index, step.reward, index in kept, repeated, reward))
    return places
