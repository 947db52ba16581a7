"""The step cache: what its keys depend on, what it gives back, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsd.backends import CachedGenerator, CachedScorer, StepCache, StepStore
from rsd.backends.cache import _decode, _encode, generator_identity, scorer_identity
from rsd.backends.cache_store import VERSION
from rsd.backends.server import ServerInfo
from rsd.config import Config
from rsd.errors import BackendError
from rsd.protocols import Sampling
from rsd.testing import ScriptedGenerator, ScriptedScorer
from rsd.types import Completion, Likelihood, Prefix, Score, Usage

PROMPT = "Q: 1+1?\n"
MODEL = {"model": "org/small"}
GREEDY = Sampling(stop=("\n\n",))
SEEDED = Sampling(temperature=0.7, stop=("\n\n",), seed=1)
QUESTION = "1+1?"
INFO = ServerInfo(("draft",), "org/small", 4096, "0.32.0")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StepStore]:
    with StepStore(tmp_path / "steps.sqlite") as store:
        yield store


def writer(**keys: Any) -> ScriptedGenerator:
    return ScriptedGenerator(
        lambda text, sampling: f"after {len(text)} with {sampling.seed}\n\nSo 2.", **keys
    )


def cached(
    generator: ScriptedGenerator, store: StepStore, model: Any = MODEL, ids: bool = False
) -> CachedGenerator:
    return CachedGenerator(generator, StepCache(store), model=model, use_token_ids=ids)


async def write(
    generator: CachedGenerator,
    prefix: Prefix | str = PROMPT,
    max_tokens: int = 50,
    sampling: Sampling = GREEDY,
) -> Completion:
    prefix = Prefix(prefix) if isinstance(prefix, str) else prefix
    return await generator.generate(prefix, max_tokens=max_tokens, sampling=sampling)


def unmarked(answer: Any) -> Any:
    return replace(answer, from_cache=False, started_at=0.0, seconds=0.0)


@pytest.mark.parametrize("ids", [True, False])
def test_an_answer_comes_back_as_it_was_marked_as_from_the_cache(
    store: StepStore, ids: bool
) -> None:
    async def twice() -> None:
        plain = writer(token_ids=ids)
        generator = cached(plain, store, ids=ids)
        sampling = replace(GREEDY, logprobs=True)
        first = await write(generator, sampling=sampling)
        again = await write(cached(plain, store, ids=ids), sampling=sampling)
        assert not first.from_cache
        assert again.from_cache
        assert again.started_at > 0
        assert unmarked(again) == unmarked(first)
        longer = Prefix(PROMPT).extend(first, "\n\n")
        second, again = [await write(generator, longer) for _ in range(2)]
        assert unmarked(again) == unmarked(second)
        assert again.prompt_token_ids == longer.token_ids
        assert len(plain.calls) == 2

    asyncio.run(twice())


DIFFERENT: list[dict[str, Any]] = [
    {"prefix": Prefix(PROMPT + " ")},
    {"prefix": Prefix(PROMPT, (1, 2))},
    {"prefix": Prefix(PROMPT, (1, 2, 3))},
    {"max_tokens": 51},
    {"sampling": replace(GREEDY, logprobs=True)},
    {"sampling": replace(GREEDY, top_p=0.9)},
    {"sampling": replace(GREEDY, ignore_eos=True)},
    {"sampling": replace(GREEDY, stop=("\n",))},
    {"sampling": replace(GREEDY, stop=())},
    {"sampling": replace(GREEDY, seed=1)},
    {"sampling": SEEDED},
    {"sampling": replace(SEEDED, seed=2)},
    {"sampling": replace(SEEDED, temperature=0.8)},
    {"sampling": replace(SEEDED, top_k=20)},
    {"sampling": replace(SEEDED, min_p=0.1)},
    {"sampling": replace(GREEDY, presence_penalty=1)},
    {"sampling": replace(GREEDY, repetition_penalty=1.1)},
    {"model": {"model": "org/large"}},
    {"model": {**MODEL, "vllm": "0.33.0"}},
    {"ids": False},
]


def test_whatever_determines_an_answer_makes_another_request(store: StepStore) -> None:
    """Each of the requests differs from the first, and from all others, in one thing."""

    async def ask_all() -> int:
        plain = ScriptedGenerator(lambda text, sampling: "So 2.")
        cache = StepCache(store)
        for _ in range(2):
            for changes in ({}, *DIFFERENT):
                rest = {k: v for k, v in changes.items() if k not in ("model", "ids")}
                generator = CachedGenerator(
                    plain,
                    cache,
                    model=changes.get("model", MODEL),
                    use_token_ids=changes.get("ids", True),
                )
                await write(generator, **rest)
        return len(plain.calls)

    assert asyncio.run(ask_all()) == 1 + len(DIFFERENT)


def test_every_field_of_sampling_is_told_apart() -> None:
    """A new one joins the keys by itself; here it joins the test."""
    tried = {
        field.name
        for changes in DIFFERENT
        for field in fields(Sampling)
        if "sampling" in changes
        and getattr(changes["sampling"], field.name) != getattr(GREEDY, field.name)
    }
    assert tried == {field.name for field in fields(Sampling)}


def test_stored_answers_have_the_form_of_their_version() -> None:
    """If this fails, raise VERSION: answers stored before lack the new field."""
    forms = {kind: [field.name for field in fields(kind)] for kind in (Completion, Likelihood)}
    assert VERSION == 1
    common = ["usage", "started_at", "seconds"]
    assert forms[Completion] == [
        *("text", "finish_reason", "matched_stop", *common),
        *("prompt_token_ids", "token_ids", "logprob", "from_cache"),
    ]
    assert forms[Likelihood] == ["logprob", *common, "from_cache"]
    assert [field.name for field in fields(Score)] == [
        *("reward", "usage", "step_tokens", "started_at", "seconds"),
        *("role", "extra_tokens", "from_cache"),
    ]
    assert len(fields(Usage)) == 5


texts = st.text()
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 1 << 40)
usages = st.builds(Usage, counts, counts, counts, counts, counts)
token_ids = st.none() | st.lists(st.integers(0, 1 << 31), max_size=5).map(tuple)


@settings(max_examples=examples(100))
@given(
    st.builds(
        Completion,
        text=texts,
        finish_reason=st.sampled_from(["stop", "length"]),
        matched_stop=st.none() | texts,
        usage=usages,
        started_at=st.just(0.0),
        seconds=st.just(0.0),
        prompt_token_ids=token_ids,
        token_ids=token_ids,
        logprob=st.none() | numbers,
    )
    | st.builds(Likelihood, numbers, usages, st.just(0.0), st.just(0.0))
    | st.builds(
        Score,
        numbers,
        usages,
        counts,
        st.just(0.0),
        st.just(0.0),
        st.sampled_from(["prm", "target"]),
        counts,
    ),
    token_ids,
)
def test_an_answer_is_stored_without_loss(
    answer: Completion | Likelihood | Score, sent: tuple[int, ...] | None
) -> None:
    for ids in (sent, getattr(answer, "prompt_token_ids", None)):
        assert _decode(type(answer), _encode(answer, ids), ids) == answer


def test_unseeded_samples_are_always_new(store: StepStore) -> None:
    async def sample() -> None:
        plain = writer()
        generator = cached(plain, store)
        unseeded = replace(SEEDED, seed=None)
        answers = [await write(generator, sampling=unseeded) for _ in range(2)]
        await asyncio.gather(*(write(generator, sampling=unseeded) for _ in range(2)))
        assert not any(answer.from_cache for answer in answers)
        assert len(plain.calls) == 4

    asyncio.run(sample())


def test_likelihoods_are_known_by_both_texts(store: StepStore) -> None:
    async def ask() -> None:
        plain = writer(token_ids=True)
        generator = cached(plain, store, ids=True)
        completion = await write(generator)
        other = replace(completion, text="3", token_ids=(1,))
        told = [
            await generator.log_likelihood(Prefix(prefix), it)
            for prefix in (PROMPT, "Q: 2+2?\n")
            for it in (completion, other)
            for _ in range(2)
        ]
        assert [it.from_cache for it in told] == [False, True] * 4
        assert [unmarked(it) for it in told[::2]] == [unmarked(it) for it in told[1::2]]
        assert len(plain.likelihood_calls) == 4

    asyncio.run(ask())


def test_scores_are_known_by_model_question_and_steps(store: StepStore) -> None:
    async def ask() -> None:
        plain = ScriptedScorer(lambda question, steps: len(steps) / 7)
        cache = StepCache(store)
        asked = [
            (MODEL, QUESTION, ["a", "b"]),
            (MODEL, QUESTION, ["ab"]),
            (MODEL, QUESTION, ["b", "a"]),
            (MODEL, QUESTION, ["a"]),
            (MODEL, "2+2?", ["a"]),
            ({"model": "org/other"}, QUESTION, ["a"]),
        ]
        for _ in range(2):
            for model, question, steps in asked:
                score = await CachedScorer(plain, cache, model=model).score(question, steps)
                assert score.reward == len(steps) / 7
        assert len(plain.calls) == len(asked)
        assert score.from_cache

    asyncio.run(ask())


def test_a_model_is_known_by_what_its_server_says(cluster: Any) -> None:
    """Two roles with the same model share answers; nothing of how servers are reached or what is
    done with answers is in a key, and no secret."""
    base = cluster.config("models.draft.served_name=target")
    speculative = "models.target.serve.speculative={model: org/small, tokens: 4}"

    def told(config: Config, info: ServerInfo = INFO) -> Any:
        return generator_identity(config, "target", info)

    assert told(base) == generator_identity(base, "draft", INFO)
    assert told(base) != told(cluster.config(speculative))
    same = ("models.target.endpoint=http://10.0.0.1/v1", "run.concurrency=1")
    assert told(base) == told(cluster.config("decoding.threshold=0.2", *same))
    for name in ("model", "served_name"):
        assert told(base) != told(cluster.config(f"models.target.{name}=other"))
    for change in ({"model": "x"}, {"context": 9}, {"version": None}):
        assert told(base) != told(base, replace(INFO, **change))
    scored = scorer_identity(base, INFO)
    assert scored != scorer_identity(base, replace(INFO, model="x"))
    for override in (
        "models.prm.model=other",
        "models.prm.kind=qwen25-math",
        "models.prm.tokenizer=org/tokenizer",
        "decoding.step_separator=;",
        "models.prm.kind=judge",
    ):
        assert scored != scorer_identity(cluster.config(override), INFO)
    judged = [
        scorer_identity(cluster.config("models.prm.kind=judge", f"decoding.prompt={name}"), INFO)
        for name in ("qwen25-math-cot", "llama3-math-cot")
    ]
    assert judged[0] != judged[1]


def test_a_failure_is_not_stored(store: StepStore) -> None:
    async def ask() -> None:
        failures = [BackendError("lost"), None]
        plain = writer(fail=lambda text: failures.pop(0))
        generator = cached(plain, store)
        with pytest.raises(BackendError, match="lost"):
            await write(generator)
        assert not (await write(generator)).from_cache

    asyncio.run(ask())


class Gate:
    """Holds every request until it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, text: str) -> None:
        await self.open.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_equal_requests_under_way_are_one(store: StepStore) -> None:
    async def ask() -> None:
        gate = Gate()
        plain = writer(pause=gate)
        generator = cached(plain, store)
        waiting = [asyncio.create_task(write(generator)) for _ in range(5)]
        other = asyncio.create_task(write(generator, max_tokens=7))
        await settle()
        gate.open.set()
        answers = [await task for task in waiting]
        await other
        assert len(plain.calls) == 2
        assert [answer.from_cache for answer in answers] == [False, True, True, True, True]
        assert len({unmarked(answer) for answer in answers}) == 1

    asyncio.run(ask())


def test_a_failure_reaches_all_who_wait_and_no_later_one(store: StepStore) -> None:
    async def ask() -> None:
        gate, failures = Gate(), [BackendError("lost"), None]
        plain = writer(pause=gate, fail=lambda text: failures.pop(0))
        generator = cached(plain, store)
        waiting = [asyncio.create_task(write(generator)) for _ in range(3)]
        await settle()
        gate.open.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(result) for result in results] == ["lost"] * 3
        assert not (await write(generator)).from_cache

    asyncio.run(ask())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(30))
@given(cancelled=st.sets(st.integers(0, 3), max_size=4))
def test_who_gives_up_does_not_take_the_answer_from_others(
    tmp_path_factory: pytest.TempPathFactory, cancelled: set[int]
) -> None:
    async def ask(store: StepStore) -> None:
        gate = Gate()
        plain = writer(pause=gate)
        generator = cached(plain, store)
        waiting = [asyncio.create_task(write(generator)) for _ in range(4)]
        await settle()
        for number in cancelled:
            waiting[number].cancel()
        await settle()
        (call,) = plain.calls
        if len(cancelled) == len(waiting):
            assert call.outcome == "cancelled"
            fresh = asyncio.create_task(write(generator))
            await settle()
            assert len(plain.calls) == 2
            gate.open.set()
            assert not (await fresh).from_cache
            return
        assert call.outcome == "pending"
        gate.open.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for number, result in enumerate(results):
            expected = asyncio.CancelledError if number in cancelled else Completion
            assert isinstance(result, expected)
        assert call.outcome == "answered"

    with StepStore(tmp_path_factory.mktemp("cache") / "steps.sqlite") as store:
        asyncio.run(ask(store))


def test_the_request_is_cancelled_before_the_last_who_waits_goes_on(store: StepStore) -> None:
    async def ask() -> None:
        plain = writer(pause=Gate())
        generator = cached(plain, store)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await write(generator)
        assert plain.calls[0].outcome == "cancelled"

    asyncio.run(ask())


def test_problems_take_turns_though_nothing_waits_for_a_server(store: StepStore) -> None:
    async def ask() -> list[int]:
        generator = cached(writer(), store)
        await write(generator)
        order: list[int] = []

        async def solve(number: int) -> None:
            for _ in range(3):
                await write(generator)
                order.append(number)

        await asyncio.gather(solve(0), solve(1))
        return order

    assert asyncio.run(ask()) == [0, 1, 0, 1, 0, 1]
