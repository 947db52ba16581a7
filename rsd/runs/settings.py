"""Checks of settings: of themselves, and of the prompt against the models' vocabularies."""

from __future__ import annotations

import re

from rsd.backends import Server
from rsd.config import Config, config_issues
from rsd.errors import RsdError
from rsd.prompts import TEMPLATES
from rsd.runs.checks import Check, Reached

SETTINGS = "settings"
"""The name of the checks that concern the configuration alone."""

_MARKER = re.compile(r"<\|[^|<>]+\|>")


def settings(config: Config) -> list[Check]:
    """The issues of `config`, as checks."""
    return [
        Check(SETTINGS, "fail" if it.fatal else "warning", f"{it.key}: {it.problem}", it.fix)
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


async def prompt_format(config: Config, each: Reached) -> Check | None:
    """A model that does not know the markers of a chat format as tokens, such as `<|im_start|>`,
    reads them as text. None where it knows those of `decoding.prompt`."""
    name, server = config.decoding.prompt, each.server
    try:
        strange = await _strange(server, name)
        if not strange:
            return None
        fitting = [it for it in TEMPLATES if it != name and not await _strange(server, it)]
    except RsdError:  # a server that tells no tokens
        return None
    return Check(
        f"{each.name} prompt",
        "warning",
        f"decoding.prompt {name} has {', '.join(strange)}, no token of {server.config.model}",
        f"set decoding.prompt to the model's chat format (its markers are known: "
        f"{', '.join(fitting)})",
    )


async def _strange(server: Server, template: str) -> list[str]:
    """The markers of a template that are not one token each to the model of `server`."""
    markers = dict.fromkeys(_MARKER.findall(TEMPLATES[template]))
    return [marker for marker in markers if len(await server.tokenize(marker)) != 1]
