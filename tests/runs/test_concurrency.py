"""How many problems are in flight: the controller alone, the places, and whole runs."""

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
from rsd.runs.concurrency import START, Controller, Load, Look, Places, places
from rsd.runs.counted import between
from rsd.types import Completion, Role, Score, Step, Usage

Servers = Callable[[int], tuple[float, int]]
"""Problems in flight -> (steps a second, requests that wait)."""


def simulate(
    controller: Controller,
    servers: Servers,
    looks: int = 200,
    tokens_each: float = 0.0,
    cache_tokens: int | None = None,
    preempts: Callable[[int], bool] = lambda number: False,
    requests_each: int = 1,
) -> list[int]:
    """The numbers of problems that the controller chose, one a look."""
    seconds = steps = 0.0
    preemptions = 0
    chosen = []
    for _ in range(looks):
        number = controller.limit
        speed, waiting = servers(number)
        seconds, steps = seconds + 2, steps + 2 * speed
        preemptions += preempts(number)
        load = Load(waiting, preemptions, cache_tokens)
        loads = [Load(), load]
        look = Look(seconds, int(steps), number, tokens_each, loads, requests_each)
        chosen.append(controller.observe(look))
    return chosen


def saturating(at: int) -> Servers:
    """Servers whose speed grows with the problems in flight up to `at` of them."""
    return lambda number: (2.0 * min(number, at), 0)


def test_it_grows_while_that_is_faster() -> None:
    assert simulate(Controller(10_000), saturating(200))[-1] == 256


def test_it_goes_back_where_more_is_no_faster() -> None:
    chosen = simulate(Controller(10_000), saturating(20))
    assert max(chosen) == 2 * START
    assert chosen[-1] == START


def test_it_never_asks_for_more_than_there_are() -> None:
    assert max(simulate(Controller(50), saturating(1000))) == 50
    assert set(simulate(Controller(3), saturating(1000))) == {3}


def test_requests_that_always_wait_may_as_well_wait_here() -> None:
    chosen = simulate(Controller(10_000), lambda n: (2.0 * min(n, 100), max(0, n - 100)))
    assert chosen[-1] == 100


def test_a_problem_with_several_requests_waits_as_one() -> None:
    """256 requests of 64 problems, of which the server works on 128."""
    chosen = simulate(
        Controller(10_000), lambda n: (2.0 * min(n, 32), max(0, 4 * n - 128)), requests_each=4
    )
    assert chosen[-1] == START
    alone = simulate(Controller(10_000), lambda n: (2.0 * n, 3), requests_each=4)
    assert min(alone) >= START


def test_fewer_are_not_let_in_where_that_is_slower() -> None:
    """What waits at one server keeps the others at work."""
    chosen = simulate(Controller(10_000), lambda n: (2.0 * min(n, 20), n // 2))
    assert chosen[-1] in (16, START)
    assert min(chosen) >= 8


def test_a_long_queue_does_not_bring_it_to_nothing_at_once() -> None:
    chosen = simulate(Controller(10_000), lambda n: (2.0 * min(n, START), 1000 if n > START else 0))
    assert chosen[-1] == START


def test_the_smallest_cache_bounds_it_at_once() -> None:
    chosen = simulate(Controller(10_000), saturating(5000), tokens_each=500, cache_tokens=20_000)
    assert (max(chosen), chosen[-1]) == (36, 36)  # 0.9 of 20,000 tokens
    tight = simulate(Controller(10_000), saturating(5000), tokens_each=500, cache_tokens=5_000)
    assert set(tight) == {9}
    assert simulate(Controller(10), saturating(9), tokens_each=900, cache_tokens=800)[-1] == 1


def test_preemptions_lower_it() -> None:
    chosen = simulate(Controller(10_000), saturating(5000), preempts=lambda number: number > 100)
    assert max(chosen) == 128
    assert chosen[-1] == 96


def test_a_replica_that_is_back_with_its_old_count_has_not_preempted_now() -> None:
    controller = Controller(10_000)

    def limit(*preemptions: int) -> int:
        load = Load.of([ServerMetrics(preemptions=count) for count in preemptions])
        return controller.observe(Look(0.0, 0, START, 0.0, [load]))

    assert [limit(5, 2), limit(2), limit(5, 2)] == [START] * 3
    assert limit(5, 3) == START * 3 // 4


def test_a_run_that_ends_is_no_measure() -> None:
    controller = Controller(10_000)
    for second in range(100):
        controller.observe(Look(second, 500 * second, START - 1, 0.0, [Load()]))
    assert controller.limit == START


@given(
    most=st.integers(1, 3000),
    knee=st.integers(1, 2000),
    full=st.integers(1, 2000),
    tokens=st.floats(0, 5000),
    cache=st.one_of(st.none(), st.integers(1, 1_000_000)),
)
def test_it_stays_in_bounds_and_comes_to_rest(
    most: int, knee: int, full: int, tokens: float, cache: int | None
) -> None:
    chosen = simulate(
        Controller(most),
        lambda n: (2.0 * min(n, knee), max(0, n - full)),
        looks=400,
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
def test_no_look_brings_it_out_of_bounds(looks: list[tuple[int, int, int, int]]) -> None:
    controller, seconds, steps, preemptions = Controller(700), 0.0, 0, 0
    for done, waiting, preempted, cache in looks:
        seconds, steps, preemptions = seconds + 2, steps + done, preemptions + preempted
        load = Load(waiting, preemptions, cache)
        limit = controller.observe(Look(seconds, steps, controller.limit, 300.0, [load]))
        assert 1 <= limit <= 700
        assert limit == controller.limit


def test_places_are_taken_up_to_the_limit() -> None:
    async def scenario() -> None:
        held = Places(2)
        await held.take()
        await held.take()
        third = asyncio.create_task(held.take())
        await asyncio.sleep(0)
        assert not third.done()
        held.limit = 3
        await third
        held.limit = 1
        fourth = asyncio.create_task(held.take())
        held.give_back()
        held.give_back()
        await asyncio.sleep(0)
        assert not fourth.done()
        held.give_back()
        await fourth
        assert (held.taken, held.peak) == (1, 3)

    asyncio.run(scenario())


def step(read: int, written: int, *, candidate: int = 0, scored: int = 0) -> Step:
    completion = Completion("x", "stop", "\n\n", Usage(1, read, 0, written), 0.0, 0.0)
    score = Score(0.9, Usage(1, scored), 1, 0.0, 0.0) if scored else None
    return Step(0, "draft", True, completion, score, candidate=candidate)


def test_a_problem_holds_what_its_longest_reader_reads() -> None:
    held = Places(4)
    held.count(step(100, 20))
    assert held.tokens_each == 120
    held.count(step(100, 20, scored=200))
    assert held.tokens_each == (120 + 200) / 2
    held.count(step(100, 60, candidate=1))
    assert held.tokens_each == 2 * 160


def steer(
    read: Callable[[], Mapping[Role, Sequence[ServerMetrics]] | None],
    monkeypatch: pytest.MonkeyPatch,
) -> int:
    """The limit after some looks at servers that are twice as fast each time."""
    monkeypatch.setattr(concurrency, "INTERVAL_S", 0.001)

    async def look() -> Mapping[Role, Sequence[ServerMetrics]] | None:
        return read()

    async def scenario() -> int:
        async with places("auto", 1000, look) as held:
            while held.taken < held.limit:
                await held.take()
            for _ in range(2000):
                if held.limit != START:
                    break
                for _ in range(START):
                    held.count(step(10, 10))
                await asyncio.sleep(0.001)
            return held.limit

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


def test_replicas_are_one_load() -> None:
    two = [ServerMetrics(waiting=1, cache_tokens=10), ServerMetrics(waiting=2, preemptions=3)]
    assert Load.of(two) == Load(3, 3, None, servers=2)
    assert Load.of([two[0], two[0]]) == Load(2, 0, 20, servers=2)


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
