"""Checks of the configuration itself, and of the prompt format against the models' vocabularies."""

from __future__ import annotations

import re

from rsd.backends import Server
from rsd.config import Config, config_issues
from rsd.errors import RsdError
from rsd.prompts import TEMPLATES
from rsd.runs.preflight.checks import PreflightCheck, Reached

SETTINGS = "settings"
"""The name of the checks that concern the configuration alone."""

_MARKER = re.compile(r"<\|[^|<>]+\|>")


def settings(config: Config) -> list[PreflightCheck]:
    """The issues of `config`."""
    return [
        PreflightCheck(
            SETTINGS, "fail" if it.fatal else "warning", f"{it.key}: {it.problem}", it.fix
        )
        for it in config_issues(config)
    ]


async def prompt_format(config: Config, each: Reached) -> PreflightCheck | None:
    """Whether each marker of `decoding.prompt`, such as `<|im_start|>`, is a token of the model,
    which would otherwise read it as text. None if all are."""
    name, server = config.decoding.prompt, each.server
    try:
        strange = await _strange(server, name)
        if not strange:
            return None
        fitting = [it for it in TEMPLATES if it != name and not await _strange(server, it)]
    except RsdError:  # the server cannot tokenize
        return None
    return PreflightCheck(
        f"{each.name} prompt",
        "warning",
        f"decoding.prompt {name} uses {', '.join(strange)}, which are not tokens of "
        f"{server.config.model}",
        f"set decoding.prompt to the model's chat format (formats whose markers it knows: "
        f"{', '.join(fitting)})",
    )


async def _strange(server: Server, template: str) -> list[str]:
    """The markers of a template that are not a single token of the server's model."""
    markers = dict.fromkeys(_MARKER.findall(TEMPLATES[template]))
    return [marker for marker in markers if len(await server.tokenize(marker)) != 1]
