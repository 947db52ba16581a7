"""Settings that are valid one by one and very likely a mistake together."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rsd.config.sampling import TRUNCATIONS
from rsd.config.schema import Config, DecodingConfig
from rsd.config.strategies import strategy_facts, strategy_uses


@dataclass(frozen=True, slots=True)
class ConfigIssue:
    """The `problem` of one `key`, and its `fix`. A `fatal` one stops a run before it starts."""

    key: str
    problem: str
    fix: str
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}; {self.fix}"


def config_issues(config: Config) -> list[ConfigIssue]:
    """All issues of `config`, the fatal ones first. No server is asked."""
    found = [
        *_missing_models(config),
        *_unknown_options(config.decoding),
        *_single_candidates(config.decoding),
        *_unreachable_threshold(config.decoding),
        *_unused_truncations(config.decoding),
        *_untruncatable_speculation(config),
        *_same_server_twice(config),
    ]
    return sorted(found, key=lambda issue: not issue.fatal)


def looks_like_path(model: str) -> bool:
    """Whether `model` can only be a directory: a name on the hub is `name` or `owner/name`."""
    return model.startswith(("/", ".", "~", "data/")) or model.count("/") > 1


def _missing_models(config: Config) -> Iterator[ConfigIssue]:
    """Model directories that are not on this machine. The servers may run elsewhere and have them:
    only reading a tokenizer and counting parameters need them here."""
    tokenizers = _tokenizers_read_here(config)
    for key, name in tokenizers.items():
        if looks_like_path(name) and not Path(name).is_dir():
            yield ConfigIssue(
                key,
                f"{name}: no such directory, and its tokenizer is needed here",
                "correct the path, or name the model on the hub",
                fatal=True,
            )
    for role in config.roles:
        model, key = config.models.role(role), f"models.{role}.model"
        counted = model.parameters is None and key not in tokenizers
        if counted and looks_like_path(model.model) and not Path(model.model).is_dir():
            yield ConfigIssue(
                key,
                f"{model.model}: no such directory here, so FLOPs are unknown",
                f"correct the path, or set models.{role}.parameters",
            )


def _tokenizers_read_here(config: Config) -> dict[str, str]:
    """The models whose tokenizer this process loads, by key."""
    read = {}
    prm = config.models.prm
    if "prm" in strategy_uses(config.decoding.strategy).roles and prm.kind != "judge":
        key = "model" if prm.tokenizer is None else "tokenizer"
        read[f"models.prm.{key}"] = prm.tokenizer or prm.model
    if config.decoding.profile == "paper":
        writers = [role for role in config.roles if role != "prm"]
        read |= {f"models.{role}.model": config.models.role(role).model for role in writers}
    return read


def _unknown_options(it: DecodingConfig) -> Iterator[ConfigIssue]:
    """Options that the strategy does not read, where it says which it reads."""
    facts = strategy_uses(it.strategy)
    if "options" not in facts.keys:
        for name in it.options:
            problem, fix = f"{it.strategy} reads no options", "remove it, or use your own strategy"
            yield ConfigIssue(f"decoding.options.{name}", problem, fix)
    elif facts.options is not None:
        known = sorted(facts.options)
        for name in sorted(it.options.keys() - set(known)):
            close = difflib.get_close_matches(name, known, n=1)
            reads = f"it reads {', '.join(known)}" if known else "remove it"
            yield ConfigIssue(
                f"decoding.options.{name}",
                f"{it.strategy} does not read it",
                f"did you mean {close[0]}?" if close else reads,
                fatal=True,
            )


def _single_candidates(it: DecodingConfig) -> Iterator[ConfigIssue]:
    """Strategies that choose among candidates, with only one."""
    keys = strategy_facts(it.strategy).keys
    if it.strategy == "beam" and it.beams == 1:
        same = f"{it.writer} alone" if it.candidates == 1 else "process_best_of_n"
        problem = f"a search with 1 beam is the same as {same}"
        yield ConfigIssue("decoding.beams", problem, "set it to 2 or more")
    elif {"writer", "candidates"} <= set(keys) and "beams" not in keys and it.candidates == 1:
        problem = f"{it.strategy} of 1 is the same as {it.writer} alone"
        yield ConfigIssue("decoding.candidates", problem, "set it to 2 or more")


def _unreachable_threshold(it: DecodingConfig) -> Iterator[ConfigIssue]:
    """A finite threshold outside [0, 1], the range of rewards."""
    if not strategy_facts(it.strategy).can_calibrate or it.weighting != "step":
        return
    if math.isfinite(it.threshold) and not 0 <= it.threshold <= 1:
        verb, extreme = ("rejects", ".inf") if it.threshold > 1 else ("keeps", "-.inf")
        problem = f"rewards lie between 0 and 1, so {it.threshold:g} {verb} every draft step"
        fix = f"correct it, or write {extreme} if that is meant"
        yield ConfigIssue("decoding.threshold", problem, fix)


def _unused_truncations(it: DecodingConfig) -> Iterator[ConfigIssue]:
    """Keys that leave tokens out, for models that take the most probable token anyway."""
    if it.sampling == "model":  # its numbers are not read yet
        return
    greedy = [source for source in it.writers if it.sampled(source).temperature == 0]
    for key in TRUNCATIONS:
        own = {source: getattr(it.sampling_of(source), key) for source in it.writers}
        shared = {source for source, value in own.items() if value is None}
        set_here = getattr(it, key) != DecodingConfig.model_fields[key].default
        if set_here and shared <= set(greedy):
            problem = f"{getattr(it, key):g} has no effect at temperature 0"
            yield ConfigIssue(f"decoding.{key}", problem, "set decoding.temperature, or remove it")
        for source in greedy:
            if own[source] is not None:
                problem = f"{own[source]:g} has no effect at temperature 0"
                where = f"decoding.sampling.{source}"
                fix = f"set {where}.temperature, or remove it"
                yield ConfigIssue(f"{where}.{key}", problem, fix)


def _untruncatable_speculation(config: Config) -> Iterator[ConfigIssue]:
    """`min_p` for a server that speculates, which vLLM 0.32 refuses."""
    decoding = config.decoding
    if decoding.sampling == "model":
        return
    for source in decoding.writers:
        sampling, serve = decoding.sampled(source), config.models.role(source).serve
        if serve.speculative and sampling.min_p > 0 and sampling.temperature > 0:
            problem = f"{sampling.min_p:g} is refused by a {source} with serve.speculative"
            fix = "remove one of the two"
            yield ConfigIssue("decoding.min_p", problem, fix, fatal=True)


def _same_server_twice(config: Config) -> Iterator[ConfigIssue]:
    """Draft and target that are the same model of the same server."""
    draft, target = config.models.draft, config.models.target
    same = (draft.endpoint, draft.served_name) == (target.endpoint, target.served_name)
    if same and {"draft", "target"} <= set(config.roles):
        problem = f"draft and target are the same model at {draft.endpoint}"
        yield ConfigIssue("models.target.endpoint", problem, "set the target's own server")
