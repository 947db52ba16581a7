"""The gateway as OpenAI's own client sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from cluster import PROBLEMS, Cluster
from gateway.running import CHAT, PROMPT, QUESTION, Running, with_gateway

from rsd.costs import cost_totals, flops, reference_flops
from rsd.records import read_run
from rsd.runs import execute

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


def ask(number: int) -> list[dict[str, str]]:
    question = f"Ann has {10 + number} pens, gets 20 and loses 5. How many are left?"
    return [{"role": "user", "content": question}]


def test_the_gateway_answers_as_a_run_does(cluster: Cluster) -> None:
    """The same prompts give the same solutions, and the same FLOPs as the report's. (What is
    drafted ahead in vain is a matter of time, and costs.)"""
    at_once = "decoding.lookahead=0"
    record = read_run(asyncio.run(execute(cluster.config(at_once))).directory)
    trajectories = {t.question: t for t in record.trajectories.values()}

    async def test(gateway: Running) -> None:
        client = gateway.client()
        for number in range(PROBLEMS):
            messages = ask(number)
            run = trajectories[messages[0]["content"]]
            answer = await client.chat.completions.create(
                model="rsd", messages=messages, extra_body={"rsd": {"include_steps": True}}
            )
            choice = answer.choices[0].model_dump()
            assert choice["message"]["content"] == run.response
            steps = choice["rsd"]["steps"]
            assert [(s["source"], s["text"], s["reward"], s["accepted"]) for s in steps] == [
                (s.source, s.text, s.reward, s.accepted) for s in run.steps
            ]
            assert answer.usage.prompt_tokens == run.steps[0].prompt_tokens
            kept = [s.tokens for s in run.steps if s.accepted]
            assert answer.usage.completion_tokens == sum(kept)
            tokens = answer.model_dump()["rsd"]["tokens"]
            for role, usage in run.usage.items():
                assert tokens[role]["prompt_tokens"] == usage.prompt_tokens
                assert tokens[role]["completion_tokens"] == usage.completion_tokens
            counts = {"draft": 1000, "target": 9000, "prm": 2000}
            spent, reference = (
                count(cost_totals(run.steps), counts) for count in (flops, reference_flops)
            )
            assert answer.model_dump()["rsd"]["flops"] == {
                "total": spent.prm_once,
                "target_only": reference.prm_once,
                "ratio": pytest.approx(spent.prm_once / reference.prm_once),
            }

    with_gateway(cluster, test, f"gateway.system={SYSTEM}", at_once)
    assert any(not s.accepted for t in trajectories.values() for s in t.steps)


def test_steps_are_drafted_ahead_and_are_the_same_steps(cluster: Cluster) -> None:
    async def answers(gateway: Running, **options: Any) -> list[Any]:
        steps = {"rsd": {"include_steps": True}}
        asked = [
            await gateway.client().chat.completions.create(
                model="rsd", messages=ask(number), extra_body=steps, **options
            )
            for number in range(PROBLEMS)
        ]
        return [answer.choices[0].model_dump()["rsd"]["steps"] for answer in asked]

    def streamed() -> int:
        requests = cluster.apps["draft"].state.requests
        return sum(bool(request.body.get("stream")) for request in requests)

    told: list[list[Any]] = []

    async def test(gateway: Running) -> None:
        told.append(await answers(gateway))
        await gateway.settled()

    with_gateway(cluster, test, "decoding.lookahead=0")
    assert streamed() == 0
    with_gateway(cluster, test, "decoding.lookahead=2")
    assert told[0] == told[1]
    before = streamed()
    assert before >= PROBLEMS

    async def with_stop(gateway: Running) -> None:
        await answers(gateway, stop=["never written"])

    with_gateway(cluster, with_stop, "decoding.lookahead=2")
    assert streamed() == before


@pytest.mark.parametrize("model", ["rsd", "draft", "target", "bon-8", "maj-8"])
def test_a_stream_adds_up_to_the_whole_answer(cluster: Cluster, model: str) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        for number in range(4):
            request: dict[str, Any] = {"model": model, "messages": ask(number), "seed": 7}
            whole = await client.chat.completions.create(**request)
            text, chunks = "", []
            async for chunk in await client.chat.completions.create(
                **request, stream=True, stream_options={"include_usage": True}
            ):
                chunks.append(chunk)
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
            assert text == whole.choices[0].message.content
            assert text.endswith("}.")
            assert chunks[0].choices[0].delta.role == "assistant"
            assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
            assert chunks[-1].choices == []
            assert chunks[-1].usage == whole.usage
            told = [each.model_dump()["rsd"]["flops"] for each in (chunks[-1], whole)]
            assert told[0]["target_only"] == told[1]["target_only"]  # drafting ahead costs by time
            assert all(chunk.usage is None for chunk in chunks[:-1])

    with_gateway(cluster, test)


def test_an_answer_that_outgrows_the_reward_model_is_cut_where_it_is(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        request: dict[str, Any] = {"model": "rsd", "messages": ask(0), "stop": [" = 30 pens.\nX"]}
        whole = (await client.chat.completions.create(**request)).choices[0].message.content
        first, _ = whole.split("\n\n", 1)
        bare = len("<|endoftext|>" + ask(0)[0]["content"] + "\n")
        cluster.apps["prm"].state.engine.max_model_len = bare + len(first) + 1

        cut = (await client.chat.completions.create(**request)).choices[0]
        assert (cut.message.content, cut.finish_reason) == (first, "length")
        assert cut.model_dump()["rsd"]["stop_reason"] == "context"
        text, reasons = "", []
        async for chunk in await client.chat.completions.create(**request, stream=True):
            text += chunk.choices[0].delta.content or ""
            reasons.append(chunk.choices[0].finish_reason)
        assert text == first
        assert reasons[-1] == "length"

        cluster.apps["prm"].state.engine.max_model_len = bare
        with pytest.raises(openai.BadRequestError, match="does not fit"):
            await client.chat.completions.create(**request)

    with_gateway(cluster, test)


def test_rejected_steps_are_shown_and_never_part_of_the_text(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        rejections = 0
        for number in range(PROBLEMS):
            rejected, text = [], ""
            async for chunk in await gateway.client().chat.completions.create(
                model="rsd",
                messages=ask(number),
                stream=True,
                extra_body={"rsd": {"include_steps": True}},
            ):
                told = chunk.choices[0].model_dump()
                step = told.get("rsd", {}).get("step")
                text += told["delta"].get("content") or ""
                if step and not step["accepted"]:
                    assert not told["delta"].get("content")
                    assert step["reward"] < 0.7
                    rejected.append(step["text"])
            assert not any(step in text for step in rejected)
            rejections += len(rejected)
        assert rejections

    with_gateway(cluster, test)


def test_raw_completions_and_several_prompts_and_answers(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        single = await client.completions.create(model="target", prompt=PROMPT)
        several = await client.completions.create(model="target", prompt=[PROMPT, PROMPT], n=2)
        assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
        assert {choice.text for choice in several.choices} == {single.choices[0].text}
        assert several.usage.prompt_tokens == 2 * single.usage.prompt_tokens
        assert several.usage.completion_tokens == 4 * single.usage.completion_tokens
        texts: dict[int, str] = {}
        async for chunk in await client.completions.create(
            model="target", prompt=PROMPT, n=3, stream=True
        ):
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
        assert texts == dict.fromkeys(range(3), single.choices[0].text)

    with_gateway(cluster, test)


def test_token_ids_are_a_prompt_too(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        ids = gateway.cluster.apps["target"].state.engine.tokenizer.encode(PROMPT)
        by_ids = await client.completions.create(model="target", prompt=ids)
        by_text = await client.completions.create(model="target", prompt=PROMPT)
        assert by_ids.choices[0].text == by_text.choices[0].text
        assert by_ids.usage == by_text.usage

    with_gateway(cluster, test)


def test_seeds_decide_sampled_answers(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async def answers(seed: int) -> list[str]:
            answer = await gateway.client().completions.create(
                model="draft", prompt=PROMPT, n=8, seed=seed, temperature=1
            )
            return [choice.text for choice in answer.choices]

        first = await answers(1)
        assert first == await answers(1)
        assert first != await answers(2)
        assert len(set(first)) > 1

    with_gateway(cluster, test)


def test_stop_strings_end_the_text_before_them(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        full = (await client.completions.create(model="target", prompt=PROMPT)).choices[0].text
        for stops in (["left"], ["\n\n"], ["= 30"], [" pens.\n\n30"], ["zzz", "are"]):
            expected = full[: min(at for each in stops if (at := full.find(each)) >= 0)]
            request: dict[str, Any] = {"model": "rsd", "prompt": PROMPT, "stop": stops}
            choice = (await client.completions.create(**request)).choices[0]
            assert (choice.text, choice.finish_reason) == (expected, "stop")
            assert choice.model_dump()["rsd"]["stop_reason"] == "stop_string"
            chunks = [c async for c in await client.completions.create(**request, stream=True)]
            assert "".join(c.choices[0].text for c in chunks) == expected
            assert chunks[-1].choices[0].finish_reason == "stop"

    with_gateway(cluster, test)


def test_a_token_limit_ends_an_answer_as_length(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        for limit in ("max_tokens", "max_completion_tokens"):
            answer = await client.chat.completions.create(
                model="target", messages=CHAT, **{limit: 5}
            )
            assert answer.choices[0].finish_reason == "length"
            assert answer.usage.completion_tokens == 5

    with_gateway(cluster, test)


def test_the_threshold_of_a_request_counts(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        sources = []
        for threshold in (0.0, 1.0):
            answer = await gateway.client().chat.completions.create(
                model="rsd", messages=CHAT, extra_body={"rsd": {"threshold": threshold}}
            )
            steps = answer.choices[0].model_dump()["rsd"]["steps"]
            sources.append({step["source"] for step in steps})
            assert answer.model_dump()["rsd"]["threshold"] == threshold
        assert sources == [{"draft"}, {"target"}]

    with_gateway(cluster, test)


def test_the_synchronous_client_lists_models_and_asks(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        def work() -> None:
            with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
                listed = [model.id for model in client.models.list()]
                assert listed == ["rsd", "draft", "target", "bon-8", "maj-8"]
                assert client.models.retrieve("rsd").model_dump()["rsd"]["threshold"] == 0.7
                answer = client.chat.completions.create(model="rsd", messages=CHAT)
                assert "\\boxed{25}" in str(answer.choices[0].message.content)
                with client.chat.completions.create(
                    model="rsd", messages=CHAT, stream=True
                ) as stream:
                    text = "".join(c.choices[0].delta.content or "" for c in stream)
                assert text == answer.choices[0].message.content

        await asyncio.to_thread(work)

    with_gateway(cluster, test)


def test_the_reward_model_reads_the_last_user_turn(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        turns = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello!"},
            {"role": "assistant", "content": "Good day."},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ]
        await gateway.client().chat.completions.create(model="rsd", messages=turns)
        engine = gateway.cluster.apps["prm"].state.engine
        read = engine.tokenizer.decode(
            gateway.cluster.apps["prm"].state.requests[-1].body["input"][0]
        )
        assert QUESTION in read
        assert "Hello" not in read
        asked = [r for r in gateway.cluster.apps["draft"].state.requests if "prompt" in r.body]
        first = next(r for r in asked if QUESTION in str(r.body["prompt"]))
        assert "system\nBe brief." in first.body["prompt"]
        assert "assistant\nGood day." in first.body["prompt"]

    with_gateway(cluster, test)
