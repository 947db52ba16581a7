"""The step cache never changes a result: any models, strategy, thresholds and interleaving."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from decoding.worlds import EVERY, GREEDY, WARM, LastLine, World, collect
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.backends import CachedGenerator, CachedScorer, StepCache, StepStore
from rsd.config import DecodingConfig
from rsd.decoding import Limits, Parts, Rules, build_strategy
from rsd.protocols import Sampling, Strategy
from rsd.types import Query, Step

LIMITS = Limits(max_tokens=80, max_steps=6, max_repeats=3, context=1 << 20)
QUERIES = [Query(prompt=f"{name}\n", question=name, seed=7) for name in "ABA"]
SAMPLED = ("majority", "best_of_n", "process_best_of_n", "beam", "guided", "rsd with candidates")


def strategy(
    world: World, cache: StepCache | None, ids: bool, sampling: Sampling, keys: dict[str, Any]
) -> Strategy:
    draft, target, scorer = world.draft, world.target, world.scorer
    if cache is not None:
        draft, target = (
            CachedGenerator(it, cache, model={"model": name}, use_token_ids=ids)
            for name, it in (("draft", draft), ("target", target))
        )
        scorer = CachedScorer(scorer, cache, model={"model": "prm"})
    decoding = DecodingConfig.model_validate({"temperature": sampling.temperature, **keys})
    generators = {"draft": draft, "target": target}
    return build_strategy(Parts(generators, scorer, Rules(LIMITS, sampling), decoding, LastLine()))


def unmarked(step: Step) -> Step:
    """The step without what tells that it came from the cache, and without the marks of the
    stream that it was written in."""

    def plain(answer: Any) -> Any:
        return answer and replace(answer, from_cache=False, started_at=0.0, seconds=0.0)

    completion = plain(step.completion)
    usage = replace(completion.usage, requests=1, cached_tokens=0, wasted_tokens=0)
    return replace(
        step,
        completion=replace(completion, usage=usage),
        score=plain(step.score),
        likelihood=plain(step.likelihood),
    )


async def decode_all(strategies: Sequence[Strategy]) -> list[list[Step]]:
    """Decode all queries with each strategy, at the same time."""
    found = await asyncio.gather(
        *(collect(strategy, query) for strategy in strategies for query in QUERIES)
    )
    return [[unmarked(step) for step in steps] for steps in found]


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=10)
@given(number=st.integers(0, 10**6), ids=st.booleans(), warm=st.booleans())
def test_answers_are_the_same_with_and_without(
    tmp_path_factory: pytest.TempPathFactory, name: str, number: int, ids: bool, warm: bool
) -> None:
    """Several thresholds at once, cold and warm; problems A twice, so that requests meet."""
    sampling = WARM if warm or name in SAMPLED else GREEDY
    ids = ids or name == "guided"
    keys = {"strategy": name, "lookahead": 0, **EVERY[name]}  # a request for each step, in both
    variants = [keys]
    if "threshold" in keys and name != "confidence":
        variants = [{**keys, "threshold": delta} for delta in (0.2, 0.5, 0.8)]

    def decode(store: StepStore | None) -> tuple[list[list[Step]], int]:
        """The steps, and how many requests were made."""
        world = World(number, token_ids=ids, pauses=True)
        cache = store and StepCache(store)
        strategies = [strategy(world, cache, ids, sampling, it) for it in variants]
        return asyncio.run(decode_all(strategies)), len(world.outcomes)

    plain, requests = decode(None)
    file: Path = tmp_path_factory.mktemp("cache") / "steps.sqlite"
    with StepStore(file) as store:
        cold, fewer = decode(store)
        assert cold == plain
        assert fewer < requests
        assert decode(store) == (plain, 0)
    with StepStore(file) as store:
        assert decode(store) == (plain, 0)
