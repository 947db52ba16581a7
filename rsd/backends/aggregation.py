"""Rewards of several steps made into one.

A step can be judged by the reward of it alone (`last`), or by those of all steps so far: their
minimum, product or mean. A strategy asks for each step's score as it goes, but need not ask for
all: RSD does not score what the target wrote. What was not asked for yet is scored when needed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean

from rsd.protocols import Scorer
from rsd.types import Score, Usage

AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "prod": math.prod,
    "mean": fmean,
}
"""By name, functions of the rewards of all steps so far, in order. `last` needs none."""

_REMEMBERED_REWARDS = 1 << 14


class AggregatedScorer:
    """The rewards of all steps so far in one number, by `aggregate`.

    Rewards of `scorer` are remembered by question and steps, the least recently used forgotten
    first, and asked for again when needed: what was remembered never changes a result.
    """

    def __init__(self, scorer: Scorer, aggregate: Callable[[Sequence[float]], float]) -> None:
        self._scorer = scorer
        self._aggregate = aggregate
        self._remembered: OrderedDict[tuple[str, tuple[str, ...]], float] = OrderedDict()

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`. Usage and seconds include the requests for earlier
        steps. The newest step is asked for first: the others, made one after the other, then find
        their inputs in the server's cache, and nothing was spent where its input does not fit."""
        newest = await self._scorer.score(question, steps)
        rewards, usage, seconds = [], Usage(), newest.seconds
        from_cache = newest.from_cache
        for count in range(1, len(steps)):
            key = (question, tuple(steps[:count]))
            reward = self._remembered.get(key)
            if reward is None:
                score = await self._scorer.score(question, steps[:count])
                reward, usage, seconds = score.reward, usage + score.usage, seconds + score.seconds
                from_cache = from_cache or score.from_cache
            self._remember(key, reward)
            rewards.append(reward)
        self._remember((question, tuple(steps)), newest.reward)
        return replace(
            newest,
            reward=self._aggregate([*rewards, newest.reward]),
            usage=usage + newest.usage,
            seconds=seconds,
            extra_tokens=usage.prompt_tokens,
            from_cache=from_cache,
        )

    def _remember(self, key: tuple[str, tuple[str, ...]], reward: float) -> None:
        self._remembered[key] = reward
        self._remembered.move_to_end(key)
        if len(self._remembered) > _REMEMBERED_REWARDS:
            self._remembered.popitem(last=False)
