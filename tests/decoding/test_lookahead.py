"""Looking ahead changes when a step is written and never which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import count

import pytest
from decoding.worlds import (
    GREEDY,
    PROMPT,
    QUERY,
    WARM,
    World,
    built,
    collect,
    collect_into,
    rsd,
    run,
    texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.decoding import Limits
from rsd.decoding.seeds import derive
from rsd.errors import BackendError, RsdError
from rsd.testing import ScriptedGenerator, ScriptedScorer
from rsd.types import Chunk, Prefix, Step, StopReason

NUMBERS = st.integers(0, 10**6)
DELTAS = st.floats(0, 1)
LIMITS = st.builds(
    Limits,
    max_tokens=st.integers(1, 120),
    max_steps=st.integers(1, 9),
    max_repeats=st.integers(1, 5),
    context=st.integers(8, 120),
)
GOOD, BAD = 0.9, 0.1


class Turns:
    """Requests that are under way go on one at a time, in an order that is drawn."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = iter(order)
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    async def play(self, coroutine: asyncio.Future[None]) -> None:
        """Give out turns until `coroutine` is done."""
        while not coroutine.done():
            for _ in range(8):  # whoever had the turn comes to the next wait, or to an end
                await asyncio.sleep(0)
            self._waiting = [turn for turn in self._waiting if not turn.done()]
            if self._waiting:
                place = next(self._order, 0) % len(self._waiting)
                self._waiting.pop(place).set_result(None)


def decoded(world: World, turns: Turns, **options: object) -> tuple[list[Step], str]:
    """The steps, and the error that ended them."""
    steps: list[Step] = []

    async def scenario() -> None:
        strategy = rsd(world.draft, world.target, world.scorer, **options)  # type: ignore[arg-type]
        decoding = asyncio.ensure_future(collect_into(steps, strategy))
        await turns.play(decoding)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await decoding

    try:
        run(scenario())
    except RsdError as error:
        return steps, str(error)
    return steps, ""


def told(steps: list[Step]) -> list[object]:
    """What of steps is no matter of time or cost."""
    return [
        (
            step.index,
            step.source,
            step.accepted,
            step.text,
            step.completion.finish_reason,
            step.completion.matched_stop,
            step.completion.prompt_token_ids,
            step.completion.token_ids,
            step.completion.usage.prompt_tokens,
            step.completion.usage.completion_tokens,
            step.score,
            step.ends,
        )
        for step in steps
    ]


@settings(max_examples=150, deadline=None)
@given(
    number=NUMBERS,
    lookahead=st.integers(1, 3),
    delta=DELTAS,
    limits=LIMITS,
    bursts=st.booleans(),
    failing=st.sampled_from([0, 6]),
    order=st.lists(st.integers(0, 3), max_size=200),
)
def test_steps_and_end_are_those_without_in_any_order_of_events(
    number: int,
    lookahead: int,
    delta: float,
    limits: Limits,
    bursts: bool,
    failing: int,
    order: list[int],
) -> None:
    def fail(text: str) -> Exception | None:
        lost = failing and derive(number, "fail", text) % failing == 0
        return BackendError(f"lost after {text!r}") if lost else None

    def world(turns: Turns) -> World:
        return World(number, token_ids=True, hook=turns.wait, bursts=bursts, fail=fail)

    without, with_it = Turns([]), Turns(order)
    expected = decoded(world(without), without, delta=delta, limits=limits)
    ahead = world(with_it)
    steps, error = decoded(ahead, with_it, delta=delta, limits=limits, lookahead=lookahead)
    assert (told(steps), error) == (told(expected[0]), expected[1])
    assert "pending" not in ahead.outcomes
    if not error:
        written = [step.completion.usage for step in steps if step.source == "draft"]
        streams = [stream for stream in ahead.draft.stream_calls if stream.tokens]
        requests = [*ahead.draft.calls, *streams]
        assert sum(usage.requests for usage in written) == len(requests)
        counted = sum(usage.completion_tokens + usage.wasted_tokens for usage in written)
        assert counted == sum(request.tokens for request in requests)


def stepwise(*steps: str, **options: object) -> ScriptedGenerator:
    return ScriptedGenerator({PROMPT: steps}, token_ids=True, **options)  # type: ignore[arg-type]


def test_one_request_writes_all_steps_that_are_kept() -> None:
    draft = stepwise("a", "b", "c")
    scorer = ScriptedScorer({}, default=GOOD)
    steps = run(collect(rsd(draft, stepwise(), scorer, lookahead=1)))
    assert texts(steps) == ["a", "b", "c"]
    assert steps[-1].ends is StopReason.EOS
    assert draft.calls == []
    (stream,) = draft.stream_calls
    assert stream.outcome == "answered"
    assert [step.completion.usage.requests for step in steps] == [1, 0, 0]
    assert {step.completion.usage.wasted_tokens for step in steps} == {0}


@pytest.mark.parametrize("lookahead", [1, 2, 3])
def test_the_draft_goes_no_further_ahead_than_it_may(lookahead: int) -> None:
    """Each step "x" and its separator are two tokens of the byte tokenizer."""

    async def scenario() -> tuple[int, list[Step]]:
        judged = asyncio.Event()

        async def wait(step: str) -> None:
            await judged.wait()

        draft = stepwise("1", "2", "3", "4", "5", "6")
        scorer = ScriptedScorer({}, default=GOOD, pause=wait)
        strategy = rsd(draft, stepwise(), scorer, lookahead=lookahead)
        decoding = asyncio.create_task(collect(strategy))
        for _ in range(200):
            await asyncio.sleep(0)
        tokens = sum(stream.tokens for stream in draft.stream_calls)
        assert draft.stream_calls[-1].outcome == "cancelled"
        judged.set()
        return tokens, await decoding

    tokens, steps = run(scenario())
    assert tokens == 2 * (1 + lookahead)
    assert texts(steps) == ["1", "2", "3", "4", "5", "6"]


def test_what_follows_a_rejected_step_is_cancelled_and_counted_before_the_target_is_asked() -> None:
    async def scenario() -> list[Step]:
        written = asyncio.Event()

        async def wait(step: str) -> None:
            if step == "wrong":
                await written.wait()

        async def write(text: str) -> None:
            if text.endswith("wrong\n\nthi"):
                written.set()
                await asyncio.Event().wait()

        async def check(text: str) -> None:
            assert [stream.outcome for stream in draft.stream_calls] == ["cancelled"]

        draft = stepwise("a", "wrong", "third", pause=write)
        target = stepwise("a", "b", "c", pause=check)
        scorer = ScriptedScorer({"wrong": BAD}, default=GOOD, pause=wait)
        return await collect(rsd(draft, target, scorer, lookahead=3))

    steps = run(scenario())
    outline = [(step.text, step.accepted, step.completion.usage.wasted_tokens) for step in steps]
    assert outline == [
        ("a", True, 0),
        ("wrong", False, len("thi")),
        ("b", True, 0),
        ("third", True, 0),
    ]


class Breaking(ScriptedGenerator):
    """Its streams break after a number of chunks, but it generates."""

    chunks = 3

    async def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        chunks = count(1)
        async with aclosing(super().stream(prefix, max_tokens=max_tokens)) as stream:
            async for chunk in stream:
                yield chunk
                if next(chunks) == self.chunks:
                    raise BackendError("broken")


def test_a_stream_that_breaks_costs_no_problem() -> None:
    draft = Breaking({PROMPT: ("a", "long", "c")}, token_ids=True)
    scorer = ScriptedScorer({}, default=GOOD)
    steps = run(collect(rsd(draft, stepwise(), scorer, lookahead=2)))
    assert texts(steps) == ["a", "long", "c"]
    assert [call.prefix.text for call in draft.calls] == ["Q\na\n\n"]
    wasted = sum(step.completion.usage.wasted_tokens for step in steps)
    assert wasted == 1 + 3  # of "long": after "a", and alone


def test_a_step_that_ends_within_a_chunk_is_asked_for_again() -> None:
    draft = stepwise("abc", "def", burst=lambda text: 2)
    scorer = ScriptedScorer({}, default=GOOD)
    steps = run(collect(rsd(draft, stepwise(), scorer, lookahead=1)))
    assert texts(steps) == ["abc", "def"]
    assert [call.prefix.text for call in draft.calls] == ["Q\n"]
    assert [step.completion.usage.wasted_tokens for step in steps] == [4, 0]


@pytest.mark.parametrize(
    ("draft", "sampling", "lookahead"),
    [
        (stepwise("a", "b"), GREEDY, 0),
        (stepwise("a", "b"), WARM, 2),
        (ScriptedGenerator({PROMPT: ("a", "b")}), GREEDY, 2),
    ],
    ids=["switched off", "steps have seeds", "text is exchanged"],
)
def test_there_are_times_not_to_look_ahead(
    draft: ScriptedGenerator, sampling: object, lookahead: int
) -> None:
    scorer = ScriptedScorer({}, default=GOOD)
    strategy = rsd(draft, stepwise(), scorer, sampling=sampling, lookahead=lookahead)  # type: ignore[arg-type]
    assert texts(run(collect(strategy))) == ["a", "b"]
    assert draft.stream_calls == []
    assert len(draft.calls) == 2


def test_a_generator_that_cannot_stream_is_asked_step_by_step() -> None:
    class Plain:
        def __init__(self, generator: ScriptedGenerator) -> None:
            self.generate = generator.generate
            self.log_likelihood = generator.log_likelihood

    draft = stepwise("a", "b")
    scorer = ScriptedScorer({}, default=GOOD)
    steps = run(collect(rsd(Plain(draft), stepwise(), scorer, lookahead=2)))  # type: ignore[arg-type]
    assert texts(steps) == ["a", "b"]
    assert len(draft.calls) == 2


@pytest.mark.parametrize(
    ("keys", "unless_busy"),
    [
        ({}, {True}),
        ({"lookahead": "auto"}, {True}),
        ({"lookahead": 2}, {False}),
        ({"lookahead": 0}, set()),
        ({"profile": "paper", "lookahead": 2}, set()),
    ],
)
def test_the_configuration_decides(keys: dict[str, object], unless_busy: set[bool]) -> None:
    world = World(3, token_ids=True)
    run(collect(built(world, "rsd", sampling=GREEDY, **keys)))
    assert {call.unless_busy for call in world.draft.stream_calls} == unless_busy


def ahead_of(world: World) -> object:
    limits = Limits(max_tokens=200, max_steps=4, max_repeats=5, context=1 << 20)
    return rsd(world.draft, world.target, world.scorer, limits=limits, lookahead=2)


def test_cancellation_reaches_every_request_in_flight() -> None:
    async def scenario(waiting: int) -> bool:
        """Cancel while one request hangs; False when there are no more than that many."""
        turn, hangs = count(), asyncio.Event()

        async def hang() -> None:
            if next(turn) == waiting:
                hangs.set()
                await asyncio.Event().wait()

        world = World(3, token_ids=True, hook=hang)
        task = asyncio.create_task(collect_into([], ahead_of(world)))  # type: ignore[arg-type]
        hanging = asyncio.create_task(hangs.wait())
        await asyncio.wait((task, hanging), return_when=asyncio.FIRST_COMPLETED)
        hanging.cancel()
        task.cancel()
        done, _ = await asyncio.gather(task, hanging, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert "pending" not in world.outcomes
        return isinstance(done, asyncio.CancelledError)

    cancelled = 0
    while run(scenario(cancelled)):
        cancelled += 1
    assert cancelled > 10


def test_closing_after_any_step_leaves_nothing_running() -> None:
    async def scenario(wanted: int) -> bool:
        world = World(3, token_ids=True, pauses=True)
        async with aclosing(ahead_of(world).decode(QUERY)) as steps:  # type: ignore[attr-defined]
            for _ in range(wanted):
                if await anext(steps, None) is None:
                    return False
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert "pending" not in world.outcomes
        return True

    wanted = 0
    while run(scenario(wanted)):
        wanted += 1
    assert wanted >= 4


@pytest.mark.parametrize("failing", ["target", "scorer"])
def test_an_error_elsewhere_ends_what_was_written_ahead(failing: str) -> None:
    error = BackendError("lost")
    options = {"fail": lambda text: error}
    draft = stepwise("bad", "b" * 100)
    target = stepwise("a", **options if failing == "target" else {})
    scorer = ScriptedScorer({"bad": BAD}, **options if failing == "scorer" else {})  # type: ignore[arg-type]

    async def scenario() -> None:
        with pytest.raises(BackendError) as caught:
            await collect_into([], rsd(draft, target, scorer, lookahead=3))
        assert caught.value is error
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())
    assert [stream.outcome for stream in draft.stream_calls] == ["cancelled"]
