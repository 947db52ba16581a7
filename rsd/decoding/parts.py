"""What a strategy is built from, and the building of the strategy that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from rsd.config import STRATEGIES, DecodingConfig, load_class
from rsd.decoding.acceptance import WEIGHTINGS, Weighting
from rsd.decoding.lookahead import Lookahead
from rsd.decoding.response import Rules
from rsd.errors import ConfigError, one_line
from rsd.protocols import Generator, Scorer, Strategy
from rsd.types import Query, Source


class Answers(Protocol):
    """Reads and compares the answers to a question, as the grader does."""

    async def grouped(self, responses: Sequence[str], query: Query) -> list[list[int]]:
        """The numbers of the responses that state an answer, in groups of equivalent answers: each
        group ascending, and the groups in the order of their first members."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The generators and the scorer that a strategy asked for, the rules that all strategies
    share, the configuration's section `decoding`, and the comparison of answers."""

    generators: Mapping[Source, Generator]
    scorer: Scorer | None
    rules: Rules
    decoding: DecodingConfig
    answers: Answers | None = None

    @property
    def draft(self) -> Generator:
        return self.generators["draft"]

    @property
    def target(self) -> Generator:
        return self.generators["target"]

    @property
    def source(self) -> Source:
        """The model that `decoding.writer` names."""
        return self.decoding.writer

    @property
    def writer(self) -> Generator:
        """The generator of that model."""
        return self.generators[self.source]

    @property
    def reward_model(self) -> Scorer:
        """The scorer, for a strategy whose `roles` include `prm`."""
        assert self.scorer is not None, f"{self.decoding.strategy} was given no scorer"
        return self.scorer

    @property
    def lookahead(self) -> Lookahead:
        """How many steps may be drafted ahead; none under the published program's rules."""
        return 0 if self.decoding.profile == "paper" else self.decoding.lookahead

    @property
    def weighting(self) -> Weighting:
        """The weighting function that the configuration names."""
        return WEIGHTINGS[self.decoding.weighting](self.decoding)

    def named(self, name: str) -> Any:
        """The part called `name`, else the key of `decoding` of that name."""
        part = getattr(self if hasattr(self, name) else self.decoding, name)
        assert part is not None, f"{self.decoding.strategy} was given no {name}"
        return part


class BuiltIn:
    """A strategy of this package: a dataclass whose fields are parts, or keys of `decoding`.

    Its facts (`rsd.config.StrategyFacts`) are class attributes without a type annotation, which a
    dataclass does not take for fields.
    """

    @classmethod
    def build(cls, parts: Parts) -> Strategy:
        """The strategy, each field filled with the part of its name."""
        named = {field.name: parts.named(field.name) for field in fields(cls)}  # type: ignore[arg-type]
        strategy: Strategy = cls(**named)  # type: ignore[assignment]
        return strategy


def build_strategy(parts: Parts) -> Strategy:
    """The strategy called `decoding.strategy`. A user's class is called with `parts` alone.

    Raises `ConfigError` where that class fails.
    """
    name = parts.decoding.strategy
    strategy: Strategy
    if name in STRATEGIES:
        strategy = load_class(name).build(parts)  # type: ignore[attr-defined]
        return strategy
    try:
        strategy = load_class(name)(parts)
    except Exception as error:
        raise ConfigError(f"decoding.strategy: {name} was not built: {one_line(error)}") from error
    return strategy
