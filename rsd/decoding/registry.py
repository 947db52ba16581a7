"""From the name of a strategy to the strategy.

A strategy of your own is a class with the attribute `roles` (the servers it needs) and a
constructor that takes `Parts` alone; `decoding.strategy: package.module:Class` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rsd.config import DecodingConfig, load_class
from rsd.decoding.acceptance import WEIGHTINGS, Weighting
from rsd.decoding.confidence import ConfidenceRouting
from rsd.decoding.controls import FirstSteps, Oracle, RandomRouting
from rsd.decoding.guided import GuidedSpeculativeInference
from rsd.decoding.lookahead import Lookahead
from rsd.decoding.response import Rules
from rsd.decoding.sampling import Answers, BestOfN, MajorityVote
from rsd.decoding.search import BeamSearch, ProcessBestOfN
from rsd.decoding.single import SingleModel
from rsd.decoding.speculative import (
    BestDraftSpeculativeDecoding,
    RewardGuidedSpeculativeDecoding,
)
from rsd.errors import ConfigError, one_line
from rsd.protocols import Generator, Scorer, Strategy
from rsd.types import Source


@dataclass(frozen=True, slots=True)
class Parts:
    """What a strategy is built from: the generators and the scorer that it asked for, the rules
    that all strategies share, the configuration's section `decoding`, and how answers are read
    and compared."""

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
    def writer(self) -> Generator:
        """The generator that `decoding.writer` names."""
        return self.generators[self.decoding.writer]

    @property
    def reward_model(self) -> Scorer:
        """The scorer. Only strategies that need it may ask."""
        assert self.scorer is not None, f"{self.decoding.strategy} was given no scorer"
        return self.scorer

    @property
    def answer_reader(self) -> Answers:
        """How answers are read and compared. Only where there is a grader may it be asked for."""
        assert self.answers is not None, f"{self.decoding.strategy} was given no reader of answers"
        return self.answers

    @property
    def lookahead(self) -> Lookahead:
        """How many steps may be drafted ahead; none under the published program's rules."""
        return 0 if self.decoding.profile == "paper" else self.decoding.lookahead

    @property
    def weighting(self) -> Weighting:
        """The weighting function that the configuration names."""
        return WEIGHTINGS[self.decoding.weighting](self.decoding)


def build_strategy(parts: Parts) -> Strategy:
    """The strategy called `decoding.strategy`. Raises `ConfigError` for a class of the user's that
    fails."""
    name = parts.decoding.strategy
    if ":" in name:
        try:
            own: Strategy = load_class(name)(parts)
        except Exception as error:
            raise ConfigError(
                f"decoding.strategy: {name} was not built: {one_line(error)}"
            ) from error
        return own
    return STRATEGIES[name](parts)


def _rsd(parts: Parts) -> Strategy:
    if parts.decoding.candidates == 1:
        return RewardGuidedSpeculativeDecoding(
            parts.draft,
            parts.target,
            parts.reward_model,
            weighting=parts.weighting,
            rules=parts.rules,
            lookahead=parts.lookahead,
        )
    return BestDraftSpeculativeDecoding(
        parts.draft,
        parts.target,
        parts.reward_model,
        candidates=parts.decoding.candidates,
        weighting=parts.weighting,
        rules=parts.rules,
    )


def _majority(parts: Parts) -> Strategy:
    return MajorityVote(
        parts.writer,
        parts.answer_reader,
        source=parts.decoding.writer,
        candidates=parts.decoding.candidates,
        rules=parts.rules,
    )


def _best_of_n(parts: Parts) -> Strategy:
    return BestOfN(
        parts.writer,
        parts.reward_model,
        source=parts.decoding.writer,
        candidates=parts.decoding.candidates,
        rules=parts.rules,
    )


def _process_best_of_n(parts: Parts) -> Strategy:
    return ProcessBestOfN(
        parts.writer,
        parts.reward_model,
        source=parts.decoding.writer,
        candidates=parts.decoding.candidates,
        rules=parts.rules,
    )


def _beam(parts: Parts) -> Strategy:
    return BeamSearch(
        parts.writer,
        parts.reward_model,
        source=parts.decoding.writer,
        beams=parts.decoding.beams,
        candidates=parts.decoding.candidates,
        rules=parts.rules,
    )


def _oracle(parts: Parts) -> Strategy:
    return Oracle(
        parts.draft,
        parts.target,
        parts.reward_model,
        weighting=parts.weighting,
        rules=parts.rules,
    )


def _guided(parts: Parts) -> Strategy:
    return GuidedSpeculativeInference(
        parts.draft,
        parts.target,
        parts.reward_model,
        candidates=parts.decoding.candidates,
        tilt=parts.decoding.tilt,
        threshold=parts.decoding.threshold,
        rules=parts.rules,
    )


STRATEGIES: dict[str, Callable[[Parts], Strategy]] = {
    "rsd": _rsd,
    "draft": lambda parts: SingleModel(parts.draft, source="draft", rules=parts.rules),
    "target": lambda parts: SingleModel(parts.target, source="target", rules=parts.rules),
    "majority": _majority,
    "best_of_n": _best_of_n,
    "process_best_of_n": _process_best_of_n,
    "beam": _beam,
    "random": lambda parts: RandomRouting(
        parts.draft, parts.target, probability=parts.decoding.probability, rules=parts.rules
    ),
    "first_steps": lambda parts: FirstSteps(
        parts.draft, parts.target, count=parts.decoding.first_steps, rules=parts.rules
    ),
    "oracle": _oracle,
    "guided": _guided,
    "confidence": lambda parts: ConfidenceRouting(
        parts.draft, parts.target, threshold=parts.decoding.threshold, rules=parts.rules
    ),
}
"""By name, the same names as in `rsd.config.STRATEGY_KEYS`."""
