"""The patience of the published program, applied to a finished run (profile `paper`).

That program decodes all problems of a set in lock-step. After five steps in a row in which no
problem finishes, it stops and cuts every unfinished solution there. This depends only on the
lengths of the solutions, so independently decoded solutions can be cut afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable

from rsd.decoding.paper import published_text
from rsd.records import Key, TrajectoryRecord

PATIENCE = 5
"""Steps in a row without a finished problem after which the published program stops."""


def last_step(finish_steps: Iterable[int], patience: int = PATIENCE) -> int:
    """The step at which all solutions are cut, given their numbers of steps (>= 1).

    It is F + `patience` for the first finish step F (or 0) that is not followed by another finish
    step within `patience` (>= 1) steps.
    """
    finished = 0
    for step in sorted(set(finish_steps)):
        if step > finished + patience:
            break
        finished = step
    return finished + patience


def cuts(trajectories: Iterable[TrajectoryRecord], patience: int = PATIENCE) -> dict[Key, int]:
    """The solutions that patience cuts, with the number of steps that each keeps.

    All samples of all problems of a task are in lock-step; failed ones are left out. Nothing is
    cut in a task with solutions that were chosen from several whole ones, since the published
    program has no such case.
    """
    tasks: dict[str, dict[Key, int | None]] = {}
    for trajectory in trajectories:
        if trajectory.error is None:
            tasks.setdefault(trajectory.task, {})[trajectory.key] = _chain_length(trajectory)
    found: dict[Key, int] = {}
    for solutions in tasks.values():
        lengths = {key: length for key, length in solutions.items() if length is not None}
        if len(lengths) == len(solutions):
            last = last_step(lengths.values(), patience)
            found |= {key: last for key, length in lengths.items() if length > last}
    return found


def cut(trajectory: TrajectoryRecord, steps: int) -> TrajectoryRecord:
    """`trajectory` up to its first `steps` kept steps. Usage, stop reason and seconds remain those
    of the whole."""
    left = tuple(step for step in trajectory.steps if step.index < steps)
    response = published_text(step.text for step in left if step.accepted)
    return trajectory.model_copy(update={"steps": left, "response": response})


def _chain_length(trajectory: TrajectoryRecord) -> int | None:
    """The number of kept steps; None if the strategy also wrote other solutions."""
    if any(step.continues is not None for step in trajectory.steps):
        return None
    return sum(step.accepted for step in trajectory.steps)
