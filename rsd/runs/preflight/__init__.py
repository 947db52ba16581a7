"""The checks of settings and servers that `rsd doctor` prints and `rsd run` requires."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing

from rsd.backends import Server, open_servers, scoring_role
from rsd.config import Config
from rsd.errors import BackendError, ConfigError
from rsd.runs.preflight import checks
from rsd.runs.preflight.checks import PreflightCheck, Reached, guarded
from rsd.runs.preflight.rewards import rewards
from rsd.runs.preflight.settings import SETTINGS, prompt_format, settings
from rsd.types import Role

__all__ = ["PreflightCheck", "examine", "preflight"]

Servers = Mapping[Role, Sequence[Server]]


async def preflight(config: Config, servers: Servers | None = None) -> list[PreflightCheck]:
    """Run all checks that concern the strategy's servers. Raises at the first failed one:
    `ConfigError` if it is about the settings, before any request, else `BackendError`. Returns
    the others, warnings included."""
    passed = []
    async with aclosing(examine(config, servers)) as made:
        async for check in made:
            if check.status == "fail":
                fix = f"; {check.fix}" if check.fix else ""
                if check.name == SETTINGS:
                    raise ConfigError(check.detail + fix)
                raise BackendError(f"{check.name}: {check.detail}{fix}")
            passed.append(check)
    return passed


async def examine(
    config: Config, servers: Servers | None = None
) -> AsyncGenerator[PreflightCheck, None]:
    """Yield each check as it is made, on open `servers` or on own connections to them. A server
    that is down ends its own checks only."""
    for check in settings(config):
        yield check
    async with AsyncExitStack() as stack:
        if servers is None:
            servers = await stack.enter_async_context(open_servers(config))
        reached: dict[Role, list[Reached]] = {}
        for role, replicas in servers.items():
            found, reached[role] = await checks.reach(replicas)
            for check in found:
                yield check
        everyone = [each for replicas in reached.values() for each in replicas]
        for each in everyone:
            yield checks.served_model(each)
            yield checks.context_length(config, each)
        for role, several in reached.items():
            if len(several) > 1:
                yield await guarded(f"{role} replicas", checks.replicas_alike, config, several)
        for each in everyone:
            if each.server.role != "prm":
                yield await guarded(f"{each.name} stop", checks.stop_strings, config, each)
                if strange := await prompt_format(config, each):
                    yield strange
        if reached.get("draft") and reached.get("target"):
            pair = reached["draft"][0].server, reached["target"][0].server
            yield await guarded("tokenizers", checks.shared_tokenizer, config, *pair)
        for each in reached.get("target", ()):
            if speculation := await checks.declared_speculation(config, each):
                yield speculation
        scored_by = scoring_role(config)
        for each in reached[scored_by] if scored_by else ():
            async for check in rewards(config, each):
                yield check
