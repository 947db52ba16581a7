"""The checks of servers, one function each.

Each finds what would silently change results: another model behind the name, an ignored stop
string, rewards that are not sane.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from rsd.backends import (
    CompletionsGenerator,
    Prompts,
    Server,
    ServerInfo,
    read_speculation,
    tokenizers_agree,
)
from rsd.config import Config
from rsd.errors import RsdError
from rsd.protocols import Sampling
from rsd.types import Completion, Source

QUESTION = "Tom has 3 boxes with 14 pens each. He gives 5 pens away. How many pens are left?"
STEPS = ("He has 3 * 14 = 42 pens.", "He has 42 - 5 = 37 pens left.", "The answer is \\boxed{37}.")
_PROBE_TOKENS = 32
SCORE_TOLERANCE = 0.03  # bfloat16 rounding of a logit, seen through the sigmoid
_START = "start it with rsd serve or scripts/serve_*.sh, or correct endpoint"

Status = Literal["ok", "warning", "fail"]


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """One finding: `detail` is what was found, `fix` what to do about it ("" if ok)."""

    name: str
    status: Status
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """A server that answers."""

    server: Server
    info: ServerInfo

    @property
    def name(self) -> str:
        return self.server.role


async def guarded(
    name: str, check: Callable[..., Awaitable[PreflightCheck]], *arguments: object
) -> PreflightCheck:
    """The check, or a failed one if a server does not answer."""
    try:
        return await check(*arguments)
    except RsdError as error:
        return PreflightCheck(name, "fail", str(error))


async def reach(server: Server) -> tuple[PreflightCheck, Reached | None]:
    """Whether a server answers."""
    name = f"{server.role} server"
    try:
        info = await server.info()
    except RsdError as error:
        return PreflightCheck(name, "fail", _why(server, error), _START), None
    version = f"vLLM {info.version}" if info.version else "answers"
    check = PreflightCheck(name, "ok", f"{version} at {server.config.endpoint}")
    return check, Reached(server, info)


def _why(server: Server, error: RsdError) -> str:
    """The error without the name of the check and the fix."""
    return str(error).removeprefix(f"{server.role} server at ").removesuffix("; is it running?")


def served_model(each: Reached) -> PreflightCheck:
    """The server serves the configured model."""
    name, wanted, info = f"{each.name} model", each.server.config, each.info
    if wanted.served_name not in info.served_names:
        served = ", ".join(info.served_names)
        return PreflightCheck(
            name,
            "fail",
            f"serves {served}, not {wanted.served_name!r}",
            "correct served_name or endpoint",
        )
    if info.model.rstrip("/") != wanted.model.rstrip("/"):
        return PreflightCheck(
            name,
            "warning",
            f"the server loaded {info.model}, the configuration says {wanted.model}",
            "make sure that both are the same checkpoint",
        )
    return PreflightCheck(name, "ok", info.model)


def context_length(config: Config, each: Reached) -> PreflightCheck:
    """Prompt and response fit the model's context."""
    name, wanted, length = f"{each.name} context", config.decoding.max_tokens, each.info.context
    if length <= wanted:
        return PreflightCheck(
            name,
            "warning",
            f"{length} tokens leave no room for a prompt and {wanted} more",
            f"lower decoding.max_tokens or raise models.{each.server.role}.serve.max_model_len",
        )
    return PreflightCheck(name, "ok", f"{length} tokens")


async def stop_strings(config: Config, each: Reached) -> PreflightCheck:
    """Let the model write, then ask it to stop at a string from within its text."""
    name = f"{each.name} stop"
    generator = CompletionsGenerator(
        each.server, context=each.info.context, use_token_ids=config.decoding.prefix != "text"
    )
    source: Source = "draft" if each.server.role == "draft" else "target"
    prefix = Prompts(config).prefixes(QUESTION)[source]

    async def write(*stop: str) -> Completion:
        return await generator.generate(
            prefix, max_tokens=_PROBE_TOKENS, sampling=Sampling(stop=stop)
        )

    text = (await write()).text
    marker = text[len(text) // 2 :][:3]
    if not marker.strip():
        return PreflightCheck(
            name, "warning", "the model wrote too little text to test a stop string"
        )
    stopped = await write(marker)
    if stopped.matched_stop != marker or stopped.text != text[: text.index(marker)]:
        return PreflightCheck(
            name,
            "fail",
            f"asked to stop at {marker!r}, it wrote {stopped.text!r} and reported "
            f"{stopped.matched_stop!r}",
            "use vLLM's own OpenAI server, without plugins that change sampling",
        )
    return PreflightCheck(name, "ok", "stop strings are cut off and reported")


async def declared_speculation(config: Config, each: Reached) -> PreflightCheck | None:
    """The configuration must say whether the target decodes speculatively, since reports tell
    such runs apart by it. None if neither does."""
    name, key = f"{each.name} speculation", "models.target.serve.speculative"
    wanted = config.models.target.serve.speculative is not None
    try:
        counts = await read_speculation(each.server)
    except RsdError:
        unknown = "the server's /metrics do not show whether it decodes speculatively"
        return PreflightCheck(name, "warning", unknown) if wanted else None
    if wanted and counts is None:
        fix = "start it with rsd serve, or with vLLM's --speculative-config"
        return PreflightCheck(
            name, "fail", f"{key} is set, but the server does not decode speculatively", fix
        )
    if not wanted and counts is not None:
        fix = f"set {key}, or start the server without --speculative-config"
        return PreflightCheck(
            name,
            "fail",
            "the server decodes speculatively, but the configuration does not say so",
            fix,
        )
    return (
        PreflightCheck(name, "ok", "the server decodes speculatively, as configured")
        if wanted
        else None
    )


async def shared_tokenizer(config: Config, draft: Server, target: Server) -> PreflightCheck:
    """Draft and target exchange token ids, or text."""
    if await tokenizers_agree(draft, target):
        return PreflightCheck("tokenizers", "ok", "draft and target agree; token ids are exchanged")
    choice = config.decoding.prefix
    status: Status = "fail" if choice == "tokens" else "warning"
    fix = "set decoding.prefix to text" if choice == "tokens" else ""
    return PreflightCheck("tokenizers", status, "draft and target differ; text is exchanged", fix)
