"""Are the servers fit to run on? What `rsd doctor` prints, and what `rsd run` insists on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from rsd.backends import Server, scoring_role
from rsd.config import Config
from rsd.errors import BackendError, ConfigError
from rsd.runs import checks
from rsd.runs.checks import Check, Reached, guarded
from rsd.runs.settings import SETTINGS, prompt_format, sampling_text, settings
from rsd.types import Role


async def preflight(config: Config) -> list[Check]:
    """Run all checks that concern the strategy's servers. Raises at the first failed one:
    `ConfigError` if it is of the settings, before any request, else `BackendError`. Returns the
    others, warnings included."""
    passed = []
    async with aclosing(examine(config)) as made:
        async for check in made:
            if check.status == "fail":
                mend = f"; {check.mend}" if check.mend else ""
                if check.name == SETTINGS:
                    raise ConfigError(check.detail + mend)
                raise BackendError(f"{check.name}: {check.detail}{mend}")
            passed.append(check)
    return passed


async def examine(config: Config) -> AsyncGenerator[Check, None]:
    """Yield each check as it is made. A server that is down ends its own checks only."""
    for check in settings(config):
        yield check
    if config.decoding.sampling:
        yield Check("sampling", "ok", sampling_text(config))
    servers = [Server(role, config.models.role(role)) for role in config.roles]
    try:
        reached: dict[Role, Reached] = {}
        for server in servers:
            check, found = await checks.reach(server)
            yield check
            if found is not None:
                reached[server.role] = found
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
            async for check in checks.rewards(config, reached[scored_by]):
                yield check
    finally:
        for server in servers:
            await server.aclose()
