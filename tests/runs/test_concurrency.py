"""How many problems are in flight: the rule alone, the limiter, and whole runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest
from cluster import Cluster
from hypothesis import given
from hypothesis import strategies as st

from rsd.backends import ServerMetrics, parse_metrics
from rsd.errors import BackendError
from rsd.records import read_run
from rsd.runs import concurrency, execute
from rsd.runs.concurrency import (
    START,
    AutoLimit,
    ConcurrencyLimiter,
    LoadSnapshot,
    concurrency_limiter,
)
from rsd.runs.counted import between
from rsd.types import Completion, Role, Score, Step, Usage

Queue = Callable[[int], int]
"""Problems in flight -> problems whose requests are queued."""


def simulate(
    auto: AutoLimit,
    queue: Queue = lambda number: 0,
    snapshots: int = 200,
    tokens_each: float = 0.0,
    cache_tokens: int | None = None,
    preempts: Callable[[int], bool] = lambda number: False,
) -> list[int]:
    """The limits after each snapshot of a run that keeps as many problems in flight."""
    steps = preemptions = 0
    chosen = []
    for _ in range(snapshots):
        number = auto.limit
        steps += 2 * number
        preemptions += preempts(number)
        load = LoadSnapshot(
            in_flight=number,
            steps=steps,
            tokens_each=tokens_each,
            queued=queue(number),
            cache_tokens=cache_tokens,
            preemptions=preemptions,
        )
        chosen.append(auto.observe(load))
    return chosen


def test_it_grows_until_requests_are_queued_and_falls_by_these() -> None:
    chosen = simulate(AutoLimit(10_000), lambda number: max(0, number - 200))
    assert max(chosen) == 256
    assert chosen[-1] == 200


def test_it_never_asks_for_more_than_there_are() -> None:
    assert max(simulate(AutoLimit(50))) == 50
    assert set(simulate(AutoLimit(3))) == {3}


def test_a_queue_that_empties_between_snapshots_does_not_lower_it() -> None:
    queue = iter([5, 0, 0] * 200)
    assert simulate(AutoLimit(10_000), lambda number: next(queue))[-1] == 10_000


def test_a_queue_never_lowers_it_below_the_start() -> None:
    """What waits at one server keeps the others at work."""
    assert set(simulate(AutoLimit(10_000), lambda number: number // 2)) == {START}
    assert min(simulate(AutoLimit(10_000), lambda number: 1000 if number > START else 0)) == START


def test_the_smallest_cache_bounds_it_at_once() -> None:
    chosen = simulate(AutoLimit(10_000), tokens_each=500, cache_tokens=20_000)
    assert (max(chosen), chosen[-1]) == (36, 36)  # 0.9 of 20,000 tokens
    tight = simulate(AutoLimit(10_000), tokens_each=500, cache_tokens=5_000)
    assert set(tight) == {9}
    assert simulate(AutoLimit(10), tokens_each=900, cache_tokens=800)[-1] == 1


def test_preemptions_lower_it() -> None:
    chosen = simulate(AutoLimit(10_000), preempts=lambda number: number > 100)
    assert max(chosen) == 128
    assert chosen[-1] == 96


def test_a_replica_that_is_back_with_its_old_count_has_not_preempted_now() -> None:
    auto = AutoLimit(10_000)

    def limit(*preemptions: int) -> int:
        servers = [ServerMetrics(preemptions=count) for count in preemptions]
        return auto.observe(LoadSnapshot.of(ConcurrencyLimiter(START), {"draft": servers}))

    assert [limit(5, 2), limit(2), limit(5, 2)] == [START] * 3
    assert limit(5, 3) == START * 3 // 4


def test_a_run_that_ends_does_not_raise_it() -> None:
    auto = AutoLimit(10_000)
    for number in range(100):
        auto.observe(LoadSnapshot(in_flight=START - 1, steps=500 * number))
    assert auto.limit == START


@given(
    most=st.integers(1, 3000),
    full=st.integers(1, 2000),
    tokens=st.floats(0, 5000),
    cache=st.one_of(st.none(), st.integers(1, 1_000_000)),
)
def test_it_stays_in_bounds_and_comes_to_rest(
    most: int, full: int, tokens: float, cache: int | None
) -> None:
    chosen = simulate(
        AutoLimit(most),
        lambda number: max(0, number - full),
        snapshots=400,
        tokens_each=tokens,
        cache_tokens=cache,
    )
    assert all(1 <= number <= most for number in chosen)
    assert len(set(chosen[-50:])) == 1


@given(
    st.lists(
        st.tuples(
            st.integers(0, 500), st.integers(0, 300), st.integers(0, 2), st.integers(0, 1 << 20)
        ),
        max_size=80,
    )
)
def test_no_snapshot_brings_it_out_of_bounds(rows: list[tuple[int, int, int, int]]) -> None:
    auto, steps, preemptions = AutoLimit(700), 0, 0
    for done, queued, preempted, cache in rows:
        steps, preemptions = steps + done, preemptions + preempted
        load = LoadSnapshot(auto.limit, steps, 300.0, queued, cache, preemptions=preemptions)
        limit = auto.observe(load)
        assert 1 <= limit <= 700
        assert limit == auto.limit


def test_problems_begin_up_to_the_limit() -> None:
    async def scenario() -> None:
        limiter = ConcurrencyLimiter(2)
        await limiter.acquire()
        await limiter.acquire()
        third = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        assert not third.done()
        limiter.limit = 3
        await third
        limiter.limit = 1
        fourth = asyncio.create_task(limiter.acquire())
        limiter.release()
        limiter.release()
        await asyncio.sleep(0)
        assert not fourth.done()
        limiter.release()
        await fourth
        assert (limiter.in_flight, limiter.peak) == (1, 3)

    asyncio.run(scenario())


def step(read: int, written: int, *, candidate: int = 0, scored: int = 0) -> Step:
    completion = Completion("x", "stop", "\n\n", Usage(1, read, 0, written), 0.0, 0.0)
    score = Score(0.9, Usage(1, scored), 1, 0.0, 0.0) if scored else None
    return Step(0, "draft", True, completion, score, candidate=candidate)


def test_a_problem_holds_what_its_longest_reader_reads() -> None:
    limiter = ConcurrencyLimiter(4)
    limiter.count(step(100, 20))
    assert limiter.tokens_each == 120
    limiter.count(step(100, 20, scored=200))
    assert limiter.tokens_each == (120 + 200) / 2
    limiter.count(step(100, 60, candidate=1))
    assert limiter.tokens_each == 2 * 160


def steer(
    read: Callable[[], Mapping[Role, Sequence[ServerMetrics]] | None],
    monkeypatch: pytest.MonkeyPatch,
) -> int:
    """The limit after some readings of the servers' metrics."""
    monkeypatch.setattr(concurrency, "INTERVAL_S", 0.001)

    async def look() -> Mapping[Role, Sequence[ServerMetrics]] | None:
        return read()

    async def scenario() -> int:
        async with concurrency_limiter("auto", 1000, look) as limiter:
            while limiter.in_flight < limiter.limit:
                await limiter.acquire()
            for _ in range(2000):
                if limiter.limit != START:
                    break
                for _ in range(START):
                    limiter.count(step(10, 10))
                await asyncio.sleep(0.001)
            return limiter.limit

    return asyncio.run(scenario())


def test_auto_follows_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert steer(lambda: {"draft": [ServerMetrics()]}, monkeypatch) == 2 * START


def test_auto_is_a_fixed_number_for_servers_that_do_not_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([None])  # and is not asked again
    assert steer(lambda: next(looks), monkeypatch) == START


def test_a_server_that_does_not_answer_costs_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = [BackendError("draft server: gone")] * 3

    def read() -> Mapping[Role, Sequence[ServerMetrics]]:
        if failing:
            raise failing.pop()
        return {"draft": [ServerMetrics()]}

    assert steer(read, monkeypatch) == 2 * START


METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
vllm:num_preemptions_total{engine="0",model_name="m"} 5.0
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.5e+06
vllm:prompt_tokens_by_source_total{engine="0",model_name="m",source="local_compute"} 9.0
vllm:prompt_tokens_cached_total{engine="0",model_name="m"} 1e+06
vllm:generation_tokens_total{engine="0",model_name="m"} 7.0
vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="10"} 1.0
vllm:cache_config_info{block_size="16",engine="1",kv_cache_size_tokens="100",num_gpu_blocks="9"} 1.0
http_requests_total{handler="/metrics"} 8.0
"""


def test_the_metrics_of_vllm_are_read() -> None:
    assert parse_metrics(METRICS) == ServerMetrics(
        running=7,
        waiting=2,
        cache_tokens=160 + 100,
        preemptions=5,
        prompt_tokens=1_500_000,
        cached_tokens=1_000_000,
        generated_tokens=7,
    )
    assert parse_metrics("http_requests_total 8.0\n") is None
    alone = parse_metrics("vllm:num_requests_running 1.0\n")
    assert alone == ServerMetrics(running=1)


def test_a_snapshot_is_of_the_busiest_and_the_smallest_role() -> None:
    limiter = ConcurrencyLimiter(8)
    limiter.count(step(100, 20, candidate=1))
    two = [ServerMetrics(waiting=3, cache_tokens=10), ServerMetrics(waiting=2, preemptions=3)]
    alike = [ServerMetrics(waiting=1, cache_tokens=10)] * 2
    assert LoadSnapshot.of(limiter, {"draft": two, "prm": alike}) == LoadSnapshot(
        in_flight=0,
        steps=1,
        tokens_each=240,
        queued=2,  # 5 requests, of two candidates each
        cache_tokens=20,  # of the role whose servers all report it
        servers=4,
        preemptions=3,
    )


def test_counts_are_differences_and_a_restart_leaves_none() -> None:
    before: dict[Role, list[ServerMetrics]] = {
        "draft": [ServerMetrics(prompt_tokens=5, cached_tokens=2, generated_tokens=1)],
        "prm": [ServerMetrics(prompt_tokens=50)],
    }
    after: dict[Role, list[ServerMetrics]] = {
        "draft": [ServerMetrics(prompt_tokens=9, cached_tokens=4, generated_tokens=2)],
        "prm": [ServerMetrics(prompt_tokens=3)],
    }
    added = between(before, after)
    assert set(added) == {"draft"}
    assert (added["draft"].read, added["draft"].cached, added["draft"].generated) == (4, 2, 1)
    assert between(None, after) == between(before, None) == {}


@pytest.mark.parametrize(("configured", "peak"), [("auto", 12), ("3", 3), ("1", 1)])
def test_a_session_keeps_what_was_in_flight_and_what_the_servers_read(
    cluster: Cluster, configured: str, peak: int
) -> None:
    overrides = (f"run.concurrency={configured}", "decoding.lookahead=0")  # a request a step
    outcome = asyncio.run(execute(cluster.config(*overrides)))
    run = read_run(outcome.directory)
    (session,) = run.manifest.sessions
    assert str(session.concurrency) == configured
    assert session.peak_concurrency == peak
    by_records = {
        role: sum(t.usage[role].prompt_tokens for t in run.trajectories.values() if role in t.usage)
        for role in session.served
    }
    assert set(by_records) == {"draft", "target", "prm"}
    assert {role: it.read for role, it in session.served.items()} == by_records
    assert all(0 < it.cached < it.read for it in session.served.values())
