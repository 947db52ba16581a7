"""The questions to servers that `rsd doctor` asks, one function each.

A wrong answer would bend results silently: another model behind the name, a stop string that is
not honoured, a reward model that reads other tokens than meant or whose prefix cache changes its
scores, replicas that are not alike.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rsd.backends import (
    TOKENIZER_PROBES,
    CompletionsGenerator,
    Server,
    ServerInfo,
    load_tokenizer,
    open_scorer,
    plain_encode,
    read_speculation,
    scoring_role,
    tokenizers_agree,
)
from rsd.config import Config, server_name
from rsd.errors import RsdError, ServerLostError
from rsd.prompts import render
from rsd.protocols import Sampling, Scorer
from rsd.types import Completion, Prefix

_QUESTION = "Tom has 3 boxes with 14 pens each. He gives 5 pens away. How many pens are left?"
_STEPS = ("He has 3 * 14 = 42 pens.", "He has 42 - 5 = 37 pens left.", "The answer is \\boxed{37}.")
_PROBE_TOKENS = 32
_LONG_PROBE_STEPS = 24  # enough tokens to fill several cache blocks of any size in use
_SCORE_TOLERANCE = 0.03  # bfloat16 rounding of a logit, seen through the sigmoid
_START = "start it with rsd serve or scripts/serve_*.sh, or correct endpoint"

Status = Literal["ok", "warning", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `detail` says what was seen, `mend` what to do about it ("" if ok)."""

    name: str
    status: Status
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """A server that answers, and the number of its endpoint, from 1."""

    server: Server
    info: ServerInfo

    @property
    def name(self) -> str:
        return self.server.role


async def guarded(name: str, check: Callable[..., Awaitable[Check]], *arguments: object) -> Check:
    """The check, or its failure when a server does not answer."""
    try:
        return await check(*arguments)
    except RsdError as error:
        return Check(name, "fail", str(error))


async def reach(server: Server) -> tuple[Check, Reached | None]:
    """Whether a server answers."""
    name = f"{server.role} server"
    try:
        info = await server.info()
    except RsdError as error:
        return Check(name, "fail", _why(server, error), _START), None
    version = f"vLLM {info.version}" if info.version else "answers"
    return Check(name, "ok", f"{version} at {server.config.endpoint}"), Reached(server, info)


def _why(server: Server, error: RsdError) -> str:
    """What the error says beside the name of the check and its mend."""
    return str(error).removeprefix(f"{server.role} server at ").removesuffix("; is it running?")


def served_model(each: Reached) -> Check:
    """The server serves the configured model."""
    name, wanted, info = f"{each.name} model", each.server.config, each.info
    if wanted.served_name not in info.served_names:
        served = ", ".join(info.served_names)
        return Check(
            name,
            "fail",
            f"serves {served}, not {wanted.served_name!r}",
            "correct served_name or endpoint",
        )
    if info.model.rstrip("/") != wanted.model.rstrip("/"):
        return Check(
            name,
            "warning",
            f"the server loaded {info.model}, the configuration says {wanted.model}",
            "make sure that both are the same checkpoint",
        )
    return Check(name, "ok", info.model)


def context_length(config: Config, each: Reached) -> Check:
    """Prompt and response fit the model's context."""
    name, wanted, length = f"{each.name} context", config.decoding.max_tokens, each.info.context
    if length <= wanted:
        return Check(
            name,
            "warning",
            f"{length} tokens leave no room for a prompt and {wanted} more",
            f"lower decoding.max_tokens or raise models.{each.server.role}.serve.max_model_len",
        )
    return Check(name, "ok", f"{length} tokens")


async def stop_strings(config: Config, each: Reached) -> Check:
    """Let the model write freely, then ask it to stop at a string from within what it wrote."""
    name = f"{each.name} stop"
    generator = CompletionsGenerator(
        each.server, context=each.info.context, use_token_ids=config.decoding.prefix != "text"
    )
    prefix = Prefix(render(config.decoding.prompt, _QUESTION))

    async def write(*stop: str) -> Completion:
        return await generator.generate(
            prefix, max_tokens=_PROBE_TOKENS, sampling=Sampling(stop=stop)
        )

    text = (await write()).text
    marker = text[len(text) // 2 :][:3]
    if not marker.strip():
        return Check(name, "warning", "the model wrote too little to try a stop string")
    stopped = await write(marker)
    if stopped.matched_stop != marker or stopped.text != text[: text.index(marker)]:
        return Check(
            name,
            "fail",
            f"asked to stop at {marker!r}, it wrote {stopped.text!r} and reported "
            f"{stopped.matched_stop!r}",
            "use vLLM's own OpenAI server, without plugins that change sampling",
        )
    return Check(name, "ok", "stop strings are cut off and reported")


async def declared_speculation(config: Config, each: Reached) -> Check | None:
    """Runs with and without token-level speculative decoding are told apart by what the
    configuration says, so it must be true. None where there is nothing of it."""
    name, key = f"{each.name} speculation", "models.target.serve.speculative"
    wanted = config.models.target.serve.speculative is not None
    try:
        counts = await read_speculation(each.server)
    except RsdError:
        unknown = "the server has no /metrics that tell whether it does it"
        return Check(name, "warning", unknown) if wanted else None
    if wanted and counts is None:
        mend = "start it with rsd serve, or with vLLM's --speculative-config"
        return Check(name, "fail", f"{key} is set, but the server does not do it", mend)
    if not wanted and counts is not None:
        mend = f"say so in {key}, or start the server without --speculative-config"
        return Check(name, "fail", "the server does it, the configuration does not say so", mend)
    return Check(name, "ok", "the server does it, as configured") if wanted else None


async def shared_tokenizer(config: Config, draft: Server, target: Server) -> Check:
    """Draft and target exchange token ids, or text."""
    if await tokenizers_agree(draft, target):
        return Check("tokenizers", "ok", "draft and target agree; token ids are exchanged")
    choice = config.decoding.prefix
    status: Status = "fail" if choice == "tokens" else "warning"
    mend = "set decoding.prefix to text" if choice == "tokens" else ""
    return Check("tokenizers", status, "draft and target differ; text is exchanged", mend)


async def rewards(config: Config, each: Reached) -> AsyncIterator[Check]:
    """Check what rewards steps: the reward model, or the target as their judge."""
    prm, server = config.models.prm, each.server
    name = "judge" if prm.kind == "judge" else "prm"
    if server.role == "prm":
        tokenizer = prm.tokenizer or prm.model
        yield await guarded(
            f"{name} tokenizer", _prm_tokenizer, tokenizer, server, f"{name} tokenizer"
        )
    try:
        scorer = open_scorer(config, server)
    except RsdError as error:
        yield Check(f"{name} rewards", "fail", str(error))
        return
    yield await guarded(f"{name} rewards", _sane_rewards, scorer, f"{name} rewards")
    yield await guarded(f"{name} cache", _cold_and_warm, scorer, server, f"{name} cache")


async def _prm_tokenizer(tokenizer: str, server: Server, name: str) -> Check:
    encode = plain_encode(load_tokenizer(tokenizer))
    for text in TOKENIZER_PROBES:
        if encode(text) != await server.tokenize(text):
            return Check(
                name,
                "fail",
                f"{tokenizer} and the server encode {text!r} differently",
                "set models.prm.tokenizer to the served model's",
            )
    return Check(name, "ok", "local and served agree")


async def _sane_rewards(scorer: Scorer, name: str) -> Check:
    """Score a right solution and its beginnings; `score` itself refuses what is no reward."""
    rewards = [
        (await scorer.score(_QUESTION, _STEPS[:count])).reward
        for count in range(1, len(_STEPS) + 1)
    ]
    shown = ", ".join(f"{reward:.3f}" for reward in rewards)
    if len(set(rewards)) == 1:
        return Check(
            name,
            "warning",
            f"the same reward for different steps: {shown}",
            "check that the checkpoint is trained, and of the configured kind",
        )
    return Check(name, "ok", f"a right solution scores {shown}")


async def _cold_and_warm(scorer: Scorer, server: Server, name: str) -> Check:
    """Score a long text that no cache can know yet, and score it again."""
    steps: Sequence[str] = [
        f"{step} ({n})" for n in range(_LONG_PROBE_STEPS // 2) for step in _STEPS[:2]
    ]
    server.cache_salt = secrets.token_hex(16)
    try:
        cold = (await scorer.score(_QUESTION, steps)).reward
        warm = (await scorer.score(_QUESTION, steps)).reward
    finally:
        server.cache_salt = None
    if abs(cold - warm) > _SCORE_TOLERANCE:
        return Check(
            name,
            "fail",
            f"the same input scored {cold:.3f} cold and {warm:.3f} with its prefix cached",
            "start that server with --no-enable-prefix-caching",
        )
    return Check(name, "ok", f"cold {cold:.4f}, warm {warm:.4f}")
