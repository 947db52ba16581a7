"""Whether the draft's steps were kept and rejected rightly, where the target's are known too.

The strategy `oracle` lets both models write every step and scores both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rsd.records import StepRecord
from rsd.types import Source


def judged(steps: Iterable[StepRecord]) -> Iterator[tuple[Source, bool]]:
    """For each place of a response where both models' steps have rewards: whose was kept, and
    whether the target's was the better one. Of several candidates the best reward counts."""
    rewards: dict[tuple[int, Source], float] = {}
    kept: dict[int, Source] = {}
    for step in steps:
        if step.accepted:
            kept[step.index] = step.source
        if step.reward is not None and step.continues is None:
            key = (step.index, step.source)
            rewards[key] = max(step.reward, rewards.get(key, step.reward))
    for index, source in kept.items():
        draft, target = rewards.get((index, "draft")), rewards.get((index, "target"))
        if draft is not None and target is not None:
            yield source, target > draft
