"""The simulated engine, by arithmetic that can be done by hand."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from harness.simulated_models import (
    Device,
    Model,
    SimulatedEngine,
    SimulatedGenerator,
    SimulatedScorer,
)
from harness.virtual_time import run

from rsd.protocols import Sampling
from rsd.testing import ScriptedGenerator, ScriptedScorer
from rsd.types import Prefix

FREE = Device(flops=math.inf, bandwidth=math.inf, memory_bytes=1000, overhead_s=1)
MODEL = Model(parameters=10, kv_bytes=1, parameter_bytes=2)


def ids(*parts: tuple[int, int]) -> list[int]:
    """Token ids: (token, how often) for each part."""
    return [token for token, count in parts for _ in range(count)]


def seconds(engine: SimulatedEngine, *requests: tuple[Sequence[int], Sequence[int]]) -> list[float]:
    """When each of `requests`, sent together at time 0, is answered."""

    async def one(prompt: Sequence[int], output: Sequence[int]) -> float:
        await engine.run(prompt, output)
        return asyncio.get_running_loop().time()

    async def all_of_them() -> list[float]:
        return await asyncio.gather(*(one(*request) for request in requests))

    return run(all_of_them())


def test_an_iteration_reads_the_prompt_and_writes_the_first_token() -> None:
    engine = SimulatedEngine(FREE, MODEL)
    assert seconds(engine, (ids((1, 7)), ids((2, 4)))) == [4]
    assert engine.counters.generated == 4
    assert engine.counters.computed == 7
    assert engine.counters.busy_s == 4
    assert engine.spans == [(0, 4)]


def test_sequences_of_a_batch_share_iterations_and_leave_when_they_end() -> None:
    engine = SimulatedEngine(FREE, MODEL)
    requests = [(ids((n, 3)), ids((n, length))) for n, length in enumerate([1, 5, 2])]
    assert seconds(engine, *requests) == [1, 5, 2]
    assert engine.counters.iterations == 5
    assert engine.peak_tokens == (3 + 1) + (3 + 1)  # the first had ended with its first token


def test_a_pooling_request_ends_with_its_prompt() -> None:
    assert seconds(SimulatedEngine(FREE, MODEL), (ids((1, 5)), ())) == [1]


def test_memory_bound_iterations_move_weights_and_what_the_writers_hold() -> None:
    device = Device(flops=math.inf, bandwidth=5, memory_bytes=1000, overhead_s=0)
    # Weights 20 bytes; the second token is written with 3 + 1 tokens in the cache.
    assert seconds(SimulatedEngine(device, MODEL), (ids((1, 3)), ids((2, 2)))) == [
        pytest.approx(20 / 5 + (20 + 4) / 5)
    ]


def test_compute_bound_iterations_cost_two_operations_a_parameter_and_token() -> None:
    device = Device(flops=100, bandwidth=math.inf, memory_bytes=1000, overhead_s=0)
    assert seconds(SimulatedEngine(device, MODEL), (ids((1, 7)), ids((2, 2)))) == [
        pytest.approx(2 * 10 * 7 / 100 + 2 * 10 * 1 / 100)
    ]


def test_a_long_prompt_is_read_in_chunks_beside_those_who_write() -> None:
    engine = SimulatedEngine(FREE, MODEL, max_batched_tokens=4)
    # The first takes one token of each later budget: 3 + 3 + 3 tokens for the second's prompt.
    assert seconds(engine, (ids((1, 4)), ids((2, 9))), (ids((3, 9)), ids((4, 2)))) == [9, 5]


def test_who_finds_no_place_in_the_batch_waits() -> None:
    engine = SimulatedEngine(FREE, MODEL, max_sequences=1)
    assert seconds(engine, (ids((1, 2)), ids((1, 3))), (ids((2, 2)), ids((2, 3)))) == [3, 6]


@pytest.mark.parametrize(("prefix_cache", "cached"), [(True, 8), (False, 0)])
def test_whole_blocks_of_what_was_read_and_written_are_cached(
    prefix_cache: bool, cached: int
) -> None:
    engine = SimulatedEngine(FREE, MODEL, prefix_cache=prefix_cache, block_size=4)

    async def twice() -> list[int]:
        first = await engine.run(ids((1, 6)), ids((2, 5)))
        other = await engine.run(ids((3, 12)))
        return [first, other, await engine.run(ids((1, 6), (2, 5), (3, 2)))]

    assert run(twice()) == [0, 0, cached]
    assert engine.counters.cached == cached
    assert engine.counters.computed == 6 + 12 + 13 - cached


def test_the_last_token_of_a_cached_prompt_is_read_again() -> None:
    engine = SimulatedEngine(FREE, MODEL, block_size=4)

    async def twice() -> list[int]:
        return [await engine.run(ids((1, 8))) for _ in range(2)]

    assert run(twice()) == [0, 7]


@pytest.mark.parametrize(
    ("after", "computed", "cancelled"),
    [
        (0.5, 8, 0),  # while its prompt is read, in an iteration that runs to its end
        (2.5, 8, 2),  # two tokens were written
    ],
)
def test_a_cancelled_request_leaves_the_batch(after: float, computed: int, cancelled: int) -> None:
    engine = SimulatedEngine(FREE, MODEL)

    async def main() -> float:
        leaving = asyncio.create_task(engine.run(ids((1, 4)), ids((1, 100))))
        staying = asyncio.create_task(engine.run(ids((2, 4)), ids((2, 6))))
        await asyncio.sleep(after)
        leaving.cancel()
        await staying
        return asyncio.get_running_loop().time()

    assert run(main()) == 6
    assert engine.counters.computed == computed
    assert engine.counters.cancelled == cancelled
    assert engine.counters.generated == 6 + cancelled


def test_what_a_cancelled_stream_has_written_is_cached() -> None:
    engine = SimulatedEngine(FREE, MODEL, block_size=4)

    async def main() -> tuple[list[int], float, int]:
        seen = []
        async with aclosing(engine.stream(ids((1, 4)), ids((2, 100)))) as marks:
            async for mark in marks:
                seen.append(mark)
                if mark == 5:
                    break
        left = asyncio.get_running_loop().time()
        return seen, left, await engine.run(ids((1, 4), (2, 9)))

    assert run(main()) == ([1, 2, 3, 4, 5], 5, 8)
    assert engine.counters.cancelled == 5


def test_a_request_that_is_cancelled_while_it_waits_costs_nothing() -> None:
    engine = SimulatedEngine(FREE, MODEL, max_sequences=1)

    async def main() -> None:
        first = asyncio.create_task(engine.run(ids((1, 4)), ids((1, 3))))
        second = asyncio.create_task(engine.run(ids((2, 4)), ids((2, 3))))
        await asyncio.sleep(1.5)
        second.cancel()
        await first

    run(main())
    assert engine.counters.computed == 4
    assert engine.counters.iterations == 3


def test_an_engine_tells_what_memory_holds() -> None:
    engine = SimulatedEngine(FREE, MODEL, block_size=4)
    seconds(engine, (ids((1, 10)), ()))
    assert engine.capacity_tokens == 0.9 * 1000 - 20
    assert engine.distinct_tokens == 8


def test_a_generator_and_a_scorer_answer_when_their_engine_does() -> None:
    writer, reader = SimulatedEngine(FREE, MODEL), SimulatedEngine(FREE, MODEL)
    script = ScriptedGenerator({"Q: ": ["one", "two"]}, token_ids=True)
    generator = SimulatedGenerator(script, writer, round_trip_s=0.5)
    scorer = SimulatedScorer(
        ScriptedScorer({}, default=0.7), reader, lambda question, steps: ids((1, 40)), 0.25
    )

    async def main() -> None:
        completion = await generator.generate(
            Prefix("Q: "), max_tokens=10, sampling=Sampling(stop=("\n\n",))
        )
        assert completion.text == "one"
        assert (completion.started_at, completion.seconds) == (0, 0.5 + 4)  # with the blank line
        score = await scorer.score("Q", ["one"])
        assert score.reward == 0.7
        assert (score.started_at, score.seconds) == (4.5, 1.25)
        assert score.usage.prompt_tokens == 40
        again = await scorer.score("Q", ["one"])
        assert again.usage.cached_tokens == 32

    run(main())


def test_a_generator_streams_each_token_when_its_engine_has_written_it() -> None:
    engine = SimulatedEngine(FREE, MODEL)
    script = ScriptedGenerator({"Q: ": ["ab", "c"]}, token_ids=True)

    async def main() -> list[tuple[str, float]]:
        generator = SimulatedGenerator(script, engine, round_trip_s=0.5)
        async with aclosing(generator.stream(Prefix("Q: "), max_tokens=10)) as chunks:
            return [(c.text, asyncio.get_running_loop().time()) async for c in chunks]

    assert run(main()) == [("a", 1.5), ("b", 2.5), ("\n\n", 3.5), ("c", 4.5), ("", 5.5)]


def test_virtual_time_runs_as_fast_as_python_and_in_order() -> None:
    order = []

    async def sleeper(hours: float) -> None:
        await asyncio.sleep(3600 * hours)
        order.append(hours)

    async def main() -> float:
        await asyncio.gather(*(sleeper(hours) for hours in (3, 1, 2)))
        return asyncio.get_running_loop().time()

    assert run(main()) == 3 * 3600
    assert order == [1, 2, 3]


def test_tasks_that_wait_for_each_other_are_an_error_and_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="wait for each other"):
        run(main())
