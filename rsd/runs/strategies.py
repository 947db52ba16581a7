"""Builds the strategy of a configuration on connected backends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

from rsd.backends import Backends, load_tokenizer, plain_encode
from rsd.config import Config, DecodingConfig, strategy_uses
from rsd.decoding import Limits, PaperRules, Parts, Rules, build_strategy, published_text
from rsd.decoding.paper import TokenCount
from rsd.errors import ConfigError
from rsd.grading import GraderPool, extract_answer, group_answers
from rsd.protocols import Strategy
from rsd.types import Query, Source


class GradedAnswers:
    """Groups responses by answer with the grader, as maj@k does."""

    def __init__(self, grader: GraderPool) -> None:
        self._grader = grader

    async def grouped(self, responses: Sequence[str], query: Query) -> list[list[int]]:
        """Lists of the positions of responses with equal answers, as in `Answers`."""
        answers = [extract_answer(it, "", query.choices, kind=query.kind) for it in responses]
        return await group_answers(self._grader, answers, query.kind, query.choices)


def connected_strategy(config: Config, backends: Backends, grader: GraderPool) -> Strategy:
    """The strategy called `decoding.strategy`, on the servers of `backends`.

    Raises `ConfigError` if the profile needs a tokenizer that cannot be loaded, or if the strategy
    compares tokens and draft and target exchange text.
    """
    strategy = config.decoding.strategy
    if strategy_uses(strategy).token_ids and not backends.use_token_ids:
        raise ConfigError(
            f"decoding.strategy: {strategy} needs draft and target to exchange token ids: models "
            f"that share a tokenizer, and decoding.prefix auto or tokens"
        )
    sources = tuple(source for source in get_args(Source) if source in backends.servers)
    generators = {source: backends.generator(source) for source in sources}
    rules = _rules(config, backends.context, sources)
    answers = GradedAnswers(grader)
    return build_strategy(Parts(generators, backends.scorer, rules, config.decoding, answers))


def response_text(decoding: DecodingConfig) -> Callable[[Iterable[str]], str]:
    """The function that joins the texts of the kept steps to the response."""
    return published_text if decoding.profile == "paper" else decoding.step_separator.join


def _rules(config: Config, context: int, sources: Iterable[Source]) -> Rules:
    decoding = config.decoding
    limits = Limits(
        max_tokens=decoding.max_tokens,
        max_steps=decoding.max_steps,
        max_repeats=decoding.max_repeats,
        context=context,
    )
    rules = Rules(
        limits,
        separator=decoding.step_separator,
        own={source: decoding.sampled(source) for source in sources},
    )
    if decoding.profile != "paper":
        return rules
    counts = {source: _token_count(config, source) for source in sources}
    return PaperRules(limits, rules.sampling, rules.separator, rules.own, counts)


def _token_count(config: Config, source: Source) -> TokenCount:
    model = config.models.role(source).model
    encode = plain_encode(load_tokenizer(model, key=f"models.{source}.model"))
    return lambda text: len(encode(text))
