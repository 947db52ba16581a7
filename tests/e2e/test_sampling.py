"""How each model samples, as requests say it: on the fakes, and on a real server."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from harness.common import free_ports

from rsd.backends import CompletionsGenerator, Server
from rsd.config import ModelConfig, load
from rsd.errors import BackendError
from rsd.protocols import NEUTRAL_SAMPLING, Sampling
from rsd.records import CONFIG
from rsd.runs import examine, execute
from rsd.serving import build, running
from rsd.types import Prefix, Role

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"
QWEN3 = {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "pad_token_id": 1}


def recommend(tmp_path: Path) -> Path:
    """Let the checkpoint of the cluster's models recommend what Qwen3's does."""
    file = tmp_path / "tokenizer" / "generation_config.json"
    file.write_text(json.dumps(QWEN3))
    return file


def bodies(cluster: Cluster, role: Role) -> list[dict[str, Any]]:
    """The requests of the run, without those of the preflight."""
    sent = [r.body for r in cluster.apps[role].state.requests if r.path == "/v1/completions"]
    return [body for body in sent if body["max_tokens"] > 64]


def test_a_run_sends_what_the_models_recommend_and_keeps_the_numbers(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stated = recommend(tmp_path)
    settings = ("decoding.sampling=model", "decoding.repetition_penalty=1.1", "run.limit=4")
    with caplog.at_level(logging.INFO, "rsd.runs.execute"):
        outcome = asyncio.run(execute(cluster.config(*settings)))
    told = "temperature 0.6, top_p 0.95, top_k 20, repetition_penalty 1.1"
    assert f"sampling: draft {told}; target {told}" in caplog.messages
    for role in ("draft", "target"):
        sent = bodies(cluster, role)
        assert {(it["temperature"], it["top_p"], it["top_k"]) for it in sent} == {(0.6, 0.95, 20)}
        assert {it["repetition_penalty"] for it in sent} == {1.1}
        assert not {key for it in sent for key in it} & {"min_p", "presence_penalty"}
        assert len({it["seed"] for it in sent} - {None}) == len(sent) > 0
    stated.unlink()
    again = load(outcome.directory / CONFIG)
    assert again.decoding.sampled("draft").top_k == 20
    assert asyncio.run(execute(again, outcome.directory)).asked == 4


def test_a_run_without_them_sends_none_of_them(cluster: Cluster) -> None:
    asyncio.run(execute(cluster.config("decoding.temperature=0.7")))
    sent = [*bodies(cluster, "draft"), *bodies(cluster, "target")]
    assert sent
    assert not {key for body in sent for key in body} & NEUTRAL_SAMPLING.keys()


@pytest.mark.parametrize(
    ("draft", "streams"),
    [({}, True), ({"repetition_penalty": 1.1}, False), ({"presence_penalty": 1}, False)],
)
def test_only_a_plain_greedy_draft_is_streamed_and_only_a_warm_model_seeded(
    cluster: Cluster, draft: dict[str, float], streams: bool
) -> None:
    own = json.dumps({"draft": draft, "target": {"temperature": 0.7, "min_p": 0.1}})
    outcome = asyncio.run(execute(cluster.config(f"decoding.sampling={own}", "run.limit=6")))
    assert outcome.failed == 0
    sent = bodies(cluster, "draft")
    assert {body.get("stream", False) for body in sent} == {streams}
    assert {body.get("seed") for body in sent} == {None}
    for key, value in draft.items():
        assert {body[key] for body in sent} == {value}
    assert {(it["temperature"], it["min_p"]) for it in bodies(cluster, "target")} == {(0.7, 0.1)}
    assert None not in {body["seed"] for body in bodies(cluster, "target")}


def test_doctor_tells_the_numbers(cluster: Cluster) -> None:
    async def told(*overrides: str) -> list[str]:
        checks = [check async for check in examine(cluster.config(*overrides))]
        return [check.detail for check in checks if check.name == "sampling"]

    own = "decoding.sampling.target={temperature: 0.6, top_k: 20}"
    assert asyncio.run(told(own)) == [
        "draft temperature 0, top_p 1; target temperature 0.6, top_p 1, top_k 20"
    ]
    assert asyncio.run(told()) == []


OUT_OF_RANGE = [
    ({"top_k": -2}, "top_k must be 0 (disable), or at least 1, got -2"),
    ({"min_p": 1.5}, "min_p must be in [0, 1], got 1.5"),
    ({"presence_penalty": 2.5}, "presence_penalty must be in [-2, 2], got 2.5"),
    ({"repetition_penalty": 0.0}, "repetition_penalty must be greater than zero, got 0.0"),
]
ALL = Sampling(0.6, 0.95, 20, 0.05, 1.0, 1.1, seed=3, stop=("\n\n",))


async def told_and_refused(config: ModelConfig) -> list[str]:
    """Send all of them within their range, then each of them out of it; the refusals."""
    server = Server("target", config)
    generator = CompletionsGenerator(server, context=512, use_token_ids=True)
    refusals = []
    try:
        first, again = [
            await generator.generate(Prefix("Ann has 3 pens."), max_tokens=20, sampling=ALL)
            for _ in range(2)
        ]
        assert first.text == again.text  # each is seeded as temperature is
        for changes, _ in OUT_OF_RANGE:
            with pytest.raises(BackendError) as refused:
                await generator.generate(
                    Prefix("a"), max_tokens=9, sampling=replace(ALL, **changes)
                )
            refusals.append(str(refused.value))
    finally:
        await server.aclose()
    return refusals


def test_the_fake_takes_and_refuses_what_vllm_does(cluster: Cluster) -> None:
    refusals = asyncio.run(told_and_refused(cluster.config().models.target))
    for refusal, (_, message) in zip(refusals, OUT_OF_RANGE, strict=True):
        assert message in refusal


@pytest.mark.servers
def test_vllm_takes_and_refuses_them(tmp_path: Path) -> None:
    endpoint = f"models.target.endpoint=http://127.0.0.1:{free_ports(1)[0]}/v1"
    config = load(DEMO, [endpoint, "decoding.strategy=target"])
    with running([build(config, "target")], log_dir=tmp_path, announce=print):
        refusals = asyncio.run(told_and_refused(config.models.target))
    for refusal, (_, message) in zip(refusals, OUT_OF_RANGE, strict=True):
        assert message in refusal
