"""Checks of the configuration itself, and of the prompt format against the models' vocabularies."""

from __future__ import annotations

import re
from pathlib import Path

from rsd.backends import Prompts, load_tokenizer
from rsd.config import Config, config_issues
from rsd.errors import RsdError
from rsd.prompts import CHAT, TEMPLATES, ChatTemplate, Conversation
from rsd.runs.preflight.checks import QUESTION, PreflightCheck, Reached
from rsd.types import Source

SETTINGS = "settings"
"""The name of the checks that concern the configuration alone."""

_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
_MARKER = re.compile(r"<\|[^|<>]+\|>")


def settings(config: Config) -> list[PreflightCheck]:
    """The issues of `config`."""
    return [
        PreflightCheck(
            SETTINGS, "fail" if it.fatal else "warning", f"{it.key}: {it.problem}", it.fix
        )
        for it in config_issues(config)
    ]


def sampling_text(config: Config) -> str:
    """How the models that write sample, such as `draft temperature 0.6, top_k 20`."""
    told = []
    for source in dict.fromkeys(config.decoding.writers):
        it = config.decoding.sampled(source)
        values = {"temperature": it.temperature, "top_p": it.top_p, **it.optional}
        told.append(f"{source} " + ", ".join(f"{key} {value:g}" for key, value in values.items()))
    return "; ".join(told)


async def prompt_format(config: Config, each: Reached) -> PreflightCheck | None:
    """Whether the model reads `decoding.prompt` as its own chat format. None if nothing speaks
    against it."""
    name, server = config.decoding.prompt, each.server
    if name == CHAT:
        prefix = Prompts(config).prefixes(QUESTION)[_source(each)]
        detail = f"its own chat template, {len(prefix.token_ids or ())} tokens for a question"
        return PreflightCheck(f"{each.name} prompt", "ok", detail)
    try:
        markers = dict.fromkeys(_MARKER.findall(TEMPLATES.get(name, name)))
        strange = [marker for marker in markers if len(await server.tokenize(marker)) != 1]
    except RsdError:  # the server cannot tokenize
        return None
    if strange:
        what = f"uses {', '.join(strange)}, which are not tokens of {server.config.model}"
    elif difference := _unlike_own_template(config, each):
        what = difference
    else:
        return None
    return PreflightCheck(
        f"{each.name} prompt",
        "warning",
        f"decoding.prompt {name if name in TEMPLATES else repr(name[:40])} {what}",
        "set decoding.prompt: chat (rsd prompt shows what the models read), unless this is meant",
    )


def _unlike_own_template(config: Config, each: Reached) -> str | None:
    """Where the prompt differs from what the chat template of a local model renders."""
    model = each.server.config.model
    if not Path(model).is_dir():
        return None
    chat = ChatTemplate(load_tokenizer(model, key=f"models.{each.server.role}.model"))
    if not chat.exists:
        return None
    text = Prompts(config).prefixes(QUESTION)[_source(each)].text
    system = _SYSTEM if _SYSTEM in text else None
    try:
        own = chat.prefix(Conversation(system=system).turns(QUESTION)).text
    except ValueError:  # a template without system turns, for one
        return None
    if own == text:
        return None
    at = next((i for i, (a, b) in enumerate(zip(own, text, strict=False)) if a != b), len(own))
    return (
        f"has {text[at : at + 30]!r} where the chat template of {model} has {own[at : at + 30]!r}"
    )


def _source(each: Reached) -> Source:
    return "draft" if each.server.role == "draft" else "target"
