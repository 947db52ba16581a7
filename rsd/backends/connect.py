"""From a configuration to clients of its servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsd.backends.aggregation import AGGREGATIONS, AggregatedScorer
from rsd.backends.breaker import CircuitBreaker, GuardedGenerator, GuardedScorer
from rsd.backends.cache import (
    CachedGenerator,
    CachedScorer,
    Identity,
    StepCache,
    generator_identity,
    scorer_identity,
)
from rsd.backends.cache_store import StepStore
from rsd.backends.checkpoint import count_parameters
from rsd.backends.generator import CompletionsGenerator
from rsd.backends.judge import JudgeScorer
from rsd.backends.math_shepherd import MathShepherdScorer
from rsd.backends.prompting import Prompts
from rsd.backends.qwen25_math import Qwen25MathScorer
from rsd.backends.rlhflow import RlhflowScorer
from rsd.backends.server import Server, ServerInfo
from rsd.backends.skywork import SkyworkScorer
from rsd.backends.tokenizer import load_tokenizer
from rsd.config import Config, strategy_uses
from rsd.errors import ConfigError
from rsd.protocols import Generator, Scorer
from rsd.types import Role

_BUSY = 4  # problems a server among which a stream makes others wait (docs/speed.md, Lookahead)
TOKENIZER_PROBES = (
    "<|im_start|>user\n12 + 345 = 357\n\n<|im_end|>",
    "The area is $\\frac{1}{2} \\pi r^2$.\n\nSo\n\n\nthe answer is \\boxed{-7.5}.",
    "naïve Ångström ½ × 3 ≤ π 数学",
)


REWARD_MODELS: dict[str, Callable[[Server, Any, Config], Scorer]] = {
    "skywork": lambda server, tokenizer, config: SkyworkScorer(
        server, tokenizer, separator=config.decoding.step_separator
    ),
    "qwen25-math": lambda server, tokenizer, config: Qwen25MathScorer(server, tokenizer),
    "math-shepherd": lambda server, tokenizer, config: MathShepherdScorer(server, tokenizer),
    "rlhflow": lambda server, tokenizer, config: RlhflowScorer(server, tokenizer),
}
"""By `models.prm.kind`: (server, tokenizer, configuration) -> scorer. `judge` is no model."""


@dataclass(frozen=True, slots=True)
class Backends:
    """The servers of a run and what they said of themselves. `workers` are those of a role whose
    metrics are read: the replicas where there are several. `use_token_ids` tells whether
    draft and target exchange token ids or text; `context` is the smallest context length.
    `identities` are what the step cache, where there is one, knows the generators by."""

    servers: Mapping[Role, Server]
    infos: Mapping[Role, ServerInfo]
    workers: Mapping[Role, Sequence[Server]]
    use_token_ids: bool
    scorer: Scorer | None
    cache: StepCache | None = field(default=None, kw_only=True)
    identities: Mapping[Role, Identity] = field(default_factory=dict, kw_only=True)
    breakers: Mapping[Role, CircuitBreaker] = field(default_factory=dict, kw_only=True)

    @property
    def context(self) -> int:
        return min(info.context for info in self.infos.values())

    @property
    def waiting(self) -> str | None:
        """What requests wait for: a server that is lost, or one that asks for a long pause; None
        where there is neither."""
        lost = [it.reason for it in self.breakers.values() if it.is_open]
        pauses = (server.pause for server in self.servers.values() if server.pause)
        return next(iter([*lost, *pauses]), None)

    def generator(self, role: Role) -> Generator:
        """The generator in the role `role`."""
        server = self.servers[role]
        generator: Generator = CompletionsGenerator(
            server,
            context=self.infos[role].context,
            use_token_ids=self.use_token_ids,
            is_busy=lambda: server.load.problems > _BUSY * server.config.replicas,
        )
        if role in self.breakers:
            generator = GuardedGenerator(generator, self.breakers[role])
        if self.cache is None:
            return generator
        return CachedGenerator(
            generator,
            self.cache,
            model=self.identities[role],
            use_token_ids=self.use_token_ids,
        )


@asynccontextmanager
async def open_servers(config: Config) -> AsyncIterator[Mapping[Role, Server]]:
    """Clients of the servers that the strategy needs, closed at the end of the block. No request
    is made."""
    async with AsyncExitStack() as stack:
        servers = {role: Server(role, config.models.role(role)) for role in config.roles}
        for server in servers.values():
            stack.push_async_callback(server.aclose)
        yield servers


@asynccontextmanager
async def connect(
    config: Config,
    *,
    cache: Path | None = None,
    wait: bool = False,
    servers: Mapping[Role, Server] | None = None,
) -> AsyncIterator[Backends]:
    """Reach the servers that the strategy needs, and check that each serves the right model.

    `servers` are those of `open_servers`, if they are open already. `cache` is the file of a step
    cache to put before them. With `wait`, requests wait for a role whose server is lost, as
    `CircuitBreaker` says. Raises `BackendError` or `ScorerError` for a server that does not answer
    as it must, `ConfigError` for settings that contradict the servers, and `StoreError` for a
    damaged cache.
    """
    async with AsyncExitStack() as stack:
        if servers is None:
            servers = await stack.enter_async_context(open_servers(config))
        infos = {role: await checked_info(server) for role, server in servers.items()}
        breakers = {role: CircuitBreaker(it, waits=wait) for role, it in servers.items()}
        steps = StepCache(stack.enter_context(StepStore(cache))) if cache else None
        yield Backends(
            servers=servers,
            infos=infos,
            workers={role: _workers(server, stack) for role, server in servers.items()},
            use_token_ids=await _use_token_ids(config, servers),
            scorer=_scorer(config, servers, infos, breakers, steps),
            cache=steps,
            identities={
                role: generator_identity(config, role, info) for role, info in infos.items()
            },
            breakers=breakers,
        )


def scoring_role(config: Config) -> Role | None:
    """The server that rewards steps; None if the strategy needs no rewards."""
    if "prm" not in strategy_uses(config.decoding.strategy).roles:
        return None
    return config.models.scored_by


def open_scorer(config: Config, server: Server) -> Scorer:
    """The scorer of single steps of the configured kind, on the server of `scoring_role`.

    Raises `ConfigError` for a tokenizer that cannot be loaded or is of another kind.
    """
    prm, decoding = config.models.prm, config.decoding
    if prm.kind == "judge":
        return JudgeScorer(server, prompts=Prompts(config), separator=decoding.step_separator)
    return REWARD_MODELS[prm.kind](server, load_tokenizer(prm.tokenizer or prm.model), config)


def parameter_count(config: Config, role: Role) -> int | None:
    """Parameters of a role's model: as configured, else counted in a local checkpoint."""
    model = config.models.role(role)
    if not model.model:  # a judge's reward model: there is none
        return None
    unused_head = role == "prm" and config.models.prm.kind in ("skywork", "qwen25-math")
    return model.parameters or count_parameters(model.model, without_lm_head=unused_head)


def speculative_parameter_count(config: Config) -> int | None:
    """Parameters of the draft within the target's server: 0 for ngram, which has no model; None
    if the configuration names no such draft, or nothing tells its size."""
    speculative = config.models.target.serve.speculative
    if speculative is None:
        return None
    if speculative.model is None:
        return 0
    return speculative.parameters or count_parameters(speculative.model)


async def tokenizers_agree(left: Server, right: Server) -> bool:
    """Whether two servers tokenize a set of probing texts alike."""
    for text in TOKENIZER_PROBES:
        if await left.tokenize(text) != await right.tokenize(text):
            return False
    return True


def _workers(server: Server, stack: AsyncExitStack) -> tuple[Server, ...]:
    """The server, or the replicas that a router at its address stands before."""
    model = server.config
    if model.replicas == 1:
        return (server,)
    numbers = range(1, model.replicas + 1)
    workers = tuple(Server(server.role, model.worker(number)) for number in numbers)
    for worker in workers:
        stack.push_async_callback(worker.aclose)
    return workers


async def checked_info(server: Server) -> ServerInfo:
    """The server's description. Raises if it serves another model than the configuration says."""
    info = await server.info()
    wanted = server.config
    if wanted.served_name not in info.served_names:
        raise server.error(
            f"serves {', '.join(info.served_names)}, not {wanted.served_name!r}; "
            f"check served_name and endpoint"
        )
    return info


async def _use_token_ids(config: Config, servers: Mapping[Role, Server]) -> bool:
    choice = config.decoding.prefix
    if choice == "text":
        return False
    if "draft" not in servers or "target" not in servers:
        return True
    agree = await tokenizers_agree(servers["draft"], servers["target"])
    if choice == "tokens" and not agree:
        raise ConfigError(
            "decoding.prefix: tokens needs draft and target to share a tokenizer, and they "
            "tokenize differently; set it to text or auto"
        )
    return agree


def _scorer(
    config: Config,
    servers: Mapping[Role, Server],
    infos: Mapping[Role, ServerInfo],
    breakers: Mapping[Role, CircuitBreaker],
    cache: StepCache | None,
) -> Scorer | None:
    """What rewards steps, if the strategy asks. Rewards are cached one by one, before they are
    aggregated."""
    role = scoring_role(config)
    if role is None:
        return None
    scorer = open_scorer(config, servers[role])
    scorer = GuardedScorer(scorer, breakers[role])
    if cache is not None:
        scorer = CachedScorer(scorer, cache, model=scorer_identity(config, infos[role]))
    how = config.models.prm.aggregation
    return scorer if how == "last" else AggregatedScorer(scorer, AGGREGATIONS[how])
