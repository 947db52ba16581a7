"""From a configuration to clients of its servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from rsd.backends.checkpoint import count_parameters
from rsd.backends.generator import CompletionsGenerator
from rsd.backends.server import Server, ServerInfo
from rsd.backends.skywork import SkyworkScorer, load_encode
from rsd.config import Config
from rsd.errors import ConfigError
from rsd.protocols import Generator, Scorer
from rsd.types import Role

TOKENIZER_PROBES = (
    "<|im_start|>user\n12 + 345 = 357\n\n<|im_end|>",
    "The area is $\\frac{1}{2} \\pi r^2$.\n\nSo\n\n\nthe answer is \\boxed{-7.5}.",
    "naïve Ångström ½ × 3 ≤ π 数学",
)


@dataclass(frozen=True, slots=True)
class Backends:
    """The servers of a run and what they said of themselves. `use_token_ids` tells whether
    draft and target exchange token ids or text; `context` is the smallest context length."""

    servers: Mapping[Role, Server]
    infos: Mapping[Role, ServerInfo]
    use_token_ids: bool
    scorer: Scorer | None

    @property
    def context(self) -> int:
        return min(info.context for info in self.infos.values())

    def generator(self, role: Role) -> Generator:
        """The generator in the role `role`."""
        return CompletionsGenerator(
            self.servers[role],
            context=self.infos[role].context,
            use_token_ids=self.use_token_ids,
        )


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Backends]:
    """Reach the servers that the strategy needs, and check that each serves the right model.

    Raises `BackendError` or `ScorerError` for a server that does not answer as it must, and
    `ConfigError` for settings that contradict the servers.
    """
    async with AsyncExitStack() as stack:
        servers = {role: Server(role, config.models.role(role)) for role in config.roles}
        for server in servers.values():
            stack.push_async_callback(server.aclose)
        infos = {role: await checked_info(server) for role, server in servers.items()}
        yield Backends(
            servers=servers,
            infos=infos,
            use_token_ids=await _use_token_ids(config, servers),
            scorer=open_scorer(config, servers["prm"]) if "prm" in servers else None,
        )


async def checked_info(server: Server) -> ServerInfo:
    """The server's description. Raises if it serves another model than the configuration says."""
    info = await server.info()
    wanted = server.config
    if wanted.served_name not in info.served_names:
        raise server.error(
            f"serves {', '.join(info.served_names)}, not {wanted.served_name!r}; "
            f"check served_name and endpoints"
        )
    return info


def open_scorer(config: Config, server: Server) -> Scorer:
    """The scorer of the configured kind of reward model."""
    prm = config.models.prm
    encode, bos = load_encode(prm.tokenizer or prm.model)
    return SkyworkScorer(server, encode, bos=bos, separator=config.decoding.step_separator)


def parameter_count(config: Config, role: Role) -> int | None:
    """Parameters of a role's model: as configured, else counted in a local checkpoint."""
    model = config.models.role(role)
    return model.parameters or count_parameters(model.model, reward_model=role == "prm")


async def tokenizers_agree(left: Server, right: Server) -> bool:
    """Whether two servers tokenize a set of probing texts alike."""
    for text in TOKENIZER_PROBES:
        if await left.tokenize(text) != await right.tokenize(text):
            return False
    return True


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
