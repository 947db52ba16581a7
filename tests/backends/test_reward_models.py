"""Each kind of reward model: the input of its model card, its request, and how it fails."""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reward_tokenizers
from backends.reward_servers import (
    BEHAVIORS,
    QUESTION,
    STEPS,
    Fake,
    configured,
    fake_of,
    reward_of,
)

from rsd.backends import Server, connect, open_scorer, parameter_count
from rsd.backends.answers import Value
from rsd.backends.retries import Backoff
from rsd.errors import BackendError, ConfigError, ScorerError
from rsd.prompts import render
from rsd.records import usage_by_role
from rsd.testing import ByteTokenizer
from rsd.testing.fake_engine import Behavior
from rsd.types import Completion, Step, Usage

KINDS = tuple(BEHAVIORS)
BY_COMPLETION = ("math-shepherd", "rlhflow", "judge")
ODD_STEPS = ("", " x ", "\n", "a\nb", "++", "Step 4: ок", "\n+1", "<b>", "7  ки", "end")


@pytest.fixture(params=KINDS)
def fake(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with fake_of(request.param, tmp_path) as running:
        yield running


def input_ids(fake: Fake, *steps: str) -> list[int]:
    async def prepare() -> list[int]:
        server = fake.server()
        try:
            scorer: Any = open_scorer(fake.config, server)
            ids = scorer.input_ids(QUESTION, steps)
            return list(await ids if asyncio.iscoroutine(ids) else ids)
        finally:
            await server.aclose()

    return asyncio.run(prepare())


def test_qwen25_math_reads_the_chat_of_its_card_up_to_the_last_step_end(tmp_path: Path) -> None:
    with fake_of("qwen25-math", tmp_path) as fake:
        ids = input_ids(fake, *STEPS)
    tokenizer = reward_tokenizers.qwen25_math()
    chat = [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within \\boxed{}.",
        },
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "".join(step + "<extra_0>" for step in STEPS)},
    ]
    whole = tokenizer.encode(tokenizer.apply_chat_template(chat, tokenize=False))
    assert whole == ids + tokenizer.encode("<|im_end|>\n")
    assert ids[-1] == tokenizer.convert_tokens_to_ids("<extra_0>")


def test_math_shepherd_reads_numbered_steps_that_end_in_its_tag(tmp_path: Path) -> None:
    with fake_of("math-shepherd", tmp_path) as fake:
        ids = input_ids(fake, *STEPS, "Step 3: done ")
    text = f"{QUESTION} Step 1: {STEPS[0]} ки\nStep 2: {STEPS[1]} ки\nStep 3: done ки"
    tokenizer = reward_tokenizers.math_shepherd()
    assert ids == [tokenizer.bos_token_id, *tokenizer.encode(text, add_special_tokens=False)]
    assert tokenizer.convert_ids_to_tokens(ids[-1]) == "▁ки"


def test_rlhflow_reads_a_chat_up_to_where_its_answer_stands(tmp_path: Path) -> None:
    with fake_of("rlhflow", tmp_path) as fake:
        ids = input_ids(fake, *STEPS)
    tokenizer = reward_tokenizers.rlhflow()
    good = {"role": "assistant", "content": "+"}
    chat = [
        {"role": "user", "content": f"{QUESTION} {STEPS[0]}"},
        good,
        {"role": "user", "content": STEPS[1]},
        good,
    ]
    rendered = tokenizer.apply_chat_template(chat, tokenize=False)
    whole = tokenizer.encode(rendered, add_special_tokens=False)
    # "The +/- is predicted by the -3 position": two tokens, + and <|eot_id|>, follow it.
    assert whole[:-2] == ids
    assert tokenizer.convert_ids_to_tokens(whole[-2:]) == ["+", "<|eot_id|>"]


def test_the_judge_continues_the_targets_own_text(tmp_path: Path) -> None:
    with fake_of("judge", tmp_path) as fake:
        ids = input_ids(fake, *STEPS)
        text = fake.app.state.engine.tokenizer.decode(ids)
    written = render("qwen25-math-cot", QUESTION) + "".join(f"{step}\n\n" for step in STEPS)
    assert text.startswith(written + "<|im_end|>\n<|im_start|>user\nGrade the last step")
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\nThe grade is ")


def test_from_step_to_step_the_input_only_grows(fake: Fake) -> None:
    grown = [input_ids(fake, *ODD_STEPS[:count]) for count in range(1, len(ODD_STEPS) + 1)]
    tail = 0
    if fake.config.models.prm.kind == "judge":  # the request to grade follows each newest step
        tail = len(fake.app.state.engine.tokenizer.encode(grade_request(fake)))
    for shorter, longer in itertools.pairwise(grown):
        kept = len(shorter) - tail
        assert longer[:kept] == shorter[:kept]
        assert len(longer) > len(shorter)


def grade_request(fake: Fake) -> str:
    text: str = fake.app.state.engine.tokenizer.decode(input_ids(fake, "x"))
    return text[text.index("x\n\n<|im_end|>") + len("x\n\n") :]


def test_the_reward_is_that_of_the_whole_input(fake: Fake) -> None:
    kind = fake.config.models.prm.kind
    expected = reward_of(fake.app.state.engine.tokenizer.decode(input_ids(fake, *STEPS)))
    if kind == "judge":
        expected = (9 * expected + 5 * (1 - expected)) / 9
    cold, warm = (asyncio.run(fake.score(*STEPS)) for _ in range(2))
    assert cold.reward == pytest.approx(expected, abs=1e-9)
    assert warm.reward == cold.reward
    assert cold.usage.requests == 1
    assert cold.usage.prompt_tokens == len(input_ids(fake, *STEPS))
    assert cold.role == ("target" if kind == "judge" else "prm")


def test_the_share_of_the_newest_step_is_what_a_rejection_loses(fake: Fake) -> None:
    score = asyncio.run(fake.score(*STEPS))
    whole, other = input_ids(fake, *STEPS), input_ids(fake, STEPS[0], "@")
    shared = next(i for i, (a, b) in enumerate(zip(whole, other, strict=False)) if a != b)
    prefix = score.usage.prompt_tokens - score.step_tokens
    assert abs(prefix - shared) <= 1  # 1: a space that is a token of its own


@pytest.mark.parametrize("kind", BY_COMPLETION)
def test_log_probabilities_are_asked_for_by_token(kind: str, tmp_path: Path) -> None:
    with fake_of(kind, tmp_path) as fake:
        cold, warm = (asyncio.run(fake.score(*STEPS)) for _ in range(2))
        ids, body = input_ids(fake, *STEPS), fake.last_body("/v1/completions")
        encode = fake.app.state.engine.tokenizer.encode
        wanted = [*"0123456789"] if kind == "judge" else ["+", "-"]
    tokens = body.pop("logprob_token_ids")
    assert tokens == [encode(text)[-1] for text in wanted]
    assert body == {
        "model": "served",
        "prompt": [ids],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": len(tokens),
        "return_tokens_as_token_ids": True,
    }
    assert cold.usage.cached_tokens < warm.usage.cached_tokens
    assert warm.usage.completion_tokens == 1


@pytest.mark.parametrize(
    ("kind", "behavior", "message"),
    [
        ("qwen25-math", Behavior(reward=reward_of), "not a list of 2"),
        ("skywork", Behavior(reward=reward_of, classes=2), "not a list of 1"),
        (
            "skywork",
            Behavior(write=lambda *_: "+"),
            "404: has no /classify; is it the server of an",
        ),
        (
            "rlhflow",
            Behavior(reward=reward_of),
            "404: has no /v1/completions; is it the server of",
        ),
        ("rlhflow", Behavior(write=lambda *_: "+"), "cannot do logprobs"),
        ("qwen25-math", Behavior(reward=lambda _: math.nan, classes=2), "not JSON compliant|nan"),
        (
            "qwen25-math",
            Behavior(reward=lambda _: 1.5, classes=2),
            "-0.5 and not a number",
        ),
    ],
)
def test_what_is_no_reward_of_the_kind_is_an_error(
    kind: str, behavior: Behavior, message: str, tmp_path: Path
) -> None:
    with fake_of(kind, tmp_path, behavior) as fake, pytest.raises(ScorerError) as raised:
        asyncio.run(fake.score(*STEPS))
    assert raised.match(f"prm server at http://127.0.0.1.*({message})")


@pytest.mark.parametrize("kind", BY_COMPLETION)
def test_log_probabilities_that_are_not_numbers_are_an_error(kind: str, tmp_path: Path) -> None:
    behavior = Behavior(write=lambda *_: "9", logprob=lambda *_: math.nan)
    with fake_of(kind, tmp_path, behavior) as fake:
        error = BackendError if kind == "judge" else ScorerError
        with pytest.raises(error, match="not JSON compliant"):
            asyncio.run(fake.score(*STEPS))


@pytest.mark.parametrize("kind", BY_COMPLETION)
def test_a_server_that_names_no_tokens_is_too_old(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsd.testing.fake_wire._logprobs", lambda *_: None)
    with fake_of(kind, tmp_path) as fake:
        error = BackendError if kind == "judge" else ScorerError
        with pytest.raises(error, match=r"no log-probabilities of the tokens .* vLLM 0\.32"):
            asyncio.run(fake.score(*STEPS))


@pytest.mark.parametrize(
    ("kind", "tokenizer"),
    [
        ("qwen25-math", "rlhflow"),
        ("rlhflow", "math-shepherd"),
        ("math-shepherd", "qwen25-math"),
    ],
)
def test_the_tokenizer_of_another_kind_is_refused(
    kind: str, tokenizer: str, tmp_path: Path
) -> None:
    with fake_of(tokenizer, tmp_path) as fake:
        prm = fake.config.models.prm
    config = configured(kind, Path(prm.model), prm.endpoint.removesuffix("/v1"))
    with pytest.raises(ConfigError, match=r"models\.prm\.tokenizer: .*no tokenizer of a model of"):
        open_scorer(config, fake.server())


def test_a_target_without_single_digits_cannot_judge(tmp_path: Path) -> None:
    class NoDigits(ByteTokenizer):
        def encode(self, text: str) -> list[int]:
            return [0] if text.isdigit() else super().encode(text)

    with fake_of("judge", tmp_path) as fake:
        fake.app.state.engine.tokenizer = NoDigits()
        with pytest.raises(ConfigError, match="whose digits are single tokens"):
            asyncio.run(fake.score(*STEPS))


def test_a_judge_needs_no_reward_model_and_is_the_targets_expense(tmp_path: Path) -> None:
    async def judged(fake: Fake) -> Step:
        async with connect(fake.config) as backends:
            assert set(backends.servers) == {"draft", "target"}
            assert backends.scorer is not None
            score = await backends.scorer.score(QUESTION, STEPS)
        completion = Completion("a", "stop", None, Usage(1, 10, 0, 5), 0.0, 0.0)
        return Step(0, "draft", True, completion, score)

    with fake_of("judge", tmp_path) as fake:
        step = asyncio.run(judged(fake))
        assert parameter_count(fake.config, "prm") is None
    usage = usage_by_role((step,))
    assert set(usage) == {"draft", "target"}
    assert step.score is not None
    assert usage["target"] == step.score.usage
    assert usage["target"].prompt_tokens > usage["draft"].prompt_tokens


def test_the_judge_asks_for_each_texts_tokens_once(tmp_path: Path) -> None:
    async def score_twice(fake: Fake) -> None:
        server = Server("target", fake.config.models.target)
        try:
            scorer = open_scorer(fake.config, server)
            await scorer.score(QUESTION, STEPS[:1])
            await scorer.score(QUESTION, STEPS)
        finally:
            await server.aclose()

    with fake_of("judge", tmp_path) as fake:
        asyncio.run(score_twice(fake))
        asked = [r.body["prompt"] for r in fake.app.state.requests if r.path == "/tokenize"]
    assert len(asked) == len(set(asked)) == 4 + 10  # prompt, two steps, request; ten digits


def test_a_step_that_repeats_the_prompt_does_not_begin_the_text_again(tmp_path: Path) -> None:
    with fake_of("judge", tmp_path) as fake:
        decoding = fake.config.decoding.model_copy(update={"prompt": "plain"})
        plain = replace(fake, config=fake.config.model_copy(update={"decoding": decoding}))
        asyncio.run(plain.score(QUESTION))
        asked = [r.body for r in fake.app.state.requests if r.path == "/tokenize"]
    text = QUESTION + "\n\n"
    special = [body["add_special_tokens"] for body in asked if body["prompt"] == text]
    assert special == [True, False]


@pytest.mark.parametrize("kind", ["skywork", "rlhflow"])
def test_counts_of_tokens_that_are_none_are_an_error(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = Server.post

    async def misshapen(server: Server, path: str, body: Any) -> Value:
        answer: Any = (await post(server, path, body)).value
        return Value({**answer, "usage": {"prompt_tokens_details": [1]}})

    monkeypatch.setattr(Server, "post", misshapen)
    monkeypatch.setattr(Server, "backoff", Backoff(0, 0))
    with fake_of(kind, tmp_path) as fake, pytest.raises(ScorerError, match="prm server at http"):
        asyncio.run(fake.score(*STEPS))
