"""The checks of settings and servers that `rsd doctor` prints and `rsd run` requires."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing

from rsd.backends import Server, open_servers, scoring_role
from rsd.config import Config
from rsd.errors import BackendError, ConfigError
from rsd.runs.preflight import checks
from rsd.runs.preflight.checks import PreflightCheck, Reached, guarded
from rsd.runs.preflight.rewards import rewards
from rsd.runs.preflight.settings import SETTINGS, prompt_format, sampling_text, settings
from rsd.types import Role

__all__ = ["PreflightCheck", "examine", "preflight"]

Servers = Mapping[Role, Server]


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
    if config.decoding.sampling:
        yield PreflightCheck("sampling", "ok", sampling_text(config))
    async with AsyncExitStack() as stack:
        if servers is None:
            servers = await stack.enter_async_context(open_servers(config))
        reached: dict[Role, Reached] = {}
        for role, server in servers.items():
            check, found = await checks.reach(server)
            yield check
            if found is not None:
                reached[role] = found
        for each in reached.values():
            yield checks.served_model(each)
            yield checks.context_length(config, each)
        for each in reached.values():
            if each.server.role != "prm":
                yield await guarded(f"{each.name} stop", checks.stop_strings, config, each)
                if strange := await prompt_format(config, each):
                    yield strange
        if "draft" in reached and "target" in reached:
            pair = reached["draft"].server, reached["target"].server
            yield await guarded("tokenizers", checks.shared_tokenizer, config, *pair)
        if "target" in reached and (
            speculation := await checks.declared_speculation(config, reached["target"])
        ):
            yield speculation
        scored_by = scoring_role(config)
        if scored_by in reached:
            async for check in rewards(config, reached[scored_by]):
                yield check
