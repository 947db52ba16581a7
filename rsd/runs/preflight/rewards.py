"""The checks of the scorer. A reward model that reads the wrong tokens, or whose prefix cache
changes its scores, would silently change results."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence

from rsd.backends import TOKENIZER_PROBES, Server, load_tokenizer, open_scorer, plain_encode
from rsd.config import Config
from rsd.errors import RsdError
from rsd.protocols import Scorer
from rsd.runs.preflight.checks import (
    QUESTION,
    SCORE_TOLERANCE,
    STEPS,
    PreflightCheck,
    Reached,
    guarded,
)

_LONG_PROBE_STEPS = 24  # enough tokens to fill several cache blocks of any size in use


async def rewards(config: Config, each: Reached) -> AsyncIterator[PreflightCheck]:
    """Check the scorer of steps: the reward model, or the target as judge."""
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
        yield PreflightCheck(f"{name} rewards", "fail", str(error))
        return
    yield await guarded(f"{name} rewards", _sane_rewards, scorer, f"{name} rewards")
    yield await guarded(f"{name} cache", _cold_and_warm, scorer, server, f"{name} cache")


async def _prm_tokenizer(tokenizer: str, server: Server, name: str) -> PreflightCheck:
    encode = plain_encode(load_tokenizer(tokenizer))
    for text in TOKENIZER_PROBES:
        if encode(text) != await server.tokenize(text):
            return PreflightCheck(
                name,
                "fail",
                f"{tokenizer} and the server encode {text!r} differently",
                "set models.prm.tokenizer to the served model's",
            )
    return PreflightCheck(name, "ok", "local and served agree")


async def _sane_rewards(scorer: Scorer, name: str) -> PreflightCheck:
    """Score a right solution and its prefixes; `score` itself rejects invalid rewards."""
    rewards = [
        (await scorer.score(QUESTION, STEPS[:count])).reward for count in range(1, len(STEPS) + 1)
    ]
    shown = ", ".join(f"{reward:.3f}" for reward in rewards)
    if len(set(rewards)) == 1:
        return PreflightCheck(
            name,
            "warning",
            f"the same reward for different steps: {shown}",
            "check that the checkpoint is trained, and of the configured kind",
        )
    return PreflightCheck(name, "ok", f"a right solution scores {shown}")


async def _cold_and_warm(scorer: Scorer, server: Server, name: str) -> PreflightCheck:
    """Score a long text that is in no cache, then again with its prefix cached."""
    steps: Sequence[str] = [
        f"{step} ({n})" for n in range(_LONG_PROBE_STEPS // 2) for step in STEPS[:2]
    ]
    server.cache_salt = secrets.token_hex(16)
    try:
        cold = (await scorer.score(QUESTION, steps)).reward
        warm = (await scorer.score(QUESTION, steps)).reward
    finally:
        server.cache_salt = None
    if abs(cold - warm) > SCORE_TOLERANCE:
        return PreflightCheck(
            name,
            "fail",
            f"the same input scored {cold:.3f} cold and {warm:.3f} with its prefix cached",
            "start that server with --no-enable-prefix-caching",
        )
    return PreflightCheck(name, "ok", f"cold {cold:.4f}, warm {warm:.4f}")
