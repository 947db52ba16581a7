"""Settings that are valid one by one and can hardly be meant together."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rsd.config.schema import Config, DecodingConfig
from rsd.config.strategies import load_class, strategy_uses

_CHOOSING = ("majority", "best_of_n", "process_best_of_n")
_BY_REWARD = ("rsd", "oracle")


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is odd about `key`, and what to do about it. A `fatal` one leaves nothing to run."""

    key: str
    what: str
    mend: str
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.key}: {self.what}; {self.mend}"


def doubts(config: Config) -> list[Doubt]:
    """All doubts about `config`, the fatal ones first. No server is asked."""
    found = [
        *_missing_models(config),
        *_unknown_options(config.decoding),
        *_choices_of_one(config.decoding),
        *_unreachable_threshold(config.decoding),
        *_idle_top_p(config.decoding),
        *_one_server_twice(config),
    ]
    return sorted(found, key=lambda doubt: not doubt.fatal)


def looks_like_path(model: str) -> bool:
    """Whether `model` can only be a directory: a name on the hub is `name` or `owner/name`."""
    return model.startswith(("/", ".", "~", "data/")) or model.count("/") > 1


def _missing_models(config: Config) -> Iterator[Doubt]:
    """Model directories that are not on this machine. The servers may be elsewhere, and have them:
    it matters where a tokenizer is read here, or parameters are counted."""
    tokenizers = _tokenizers_read_here(config)
    for key, name in tokenizers.items():
        if looks_like_path(name) and not Path(name).is_dir():
            yield Doubt(
                key,
                f"{name}: no such directory, and its tokenizer is needed here",
                "correct the path, or name the model on the hub",
                fatal=True,
            )
    for role in config.roles:
        model, key = config.models.role(role), f"models.{role}.model"
        counted = model.parameters is None and key not in tokenizers
        if counted and looks_like_path(model.model) and not Path(model.model).is_dir():
            yield Doubt(
                key,
                f"{model.model}: no such directory here, so FLOPs are unknown",
                f"correct the path, or set models.{role}.parameters",
            )


def _tokenizers_read_here(config: Config) -> dict[str, str]:
    """By key, the models whose tokenizer the strategy or the profile has this process load."""
    read = {}
    prm, needed = config.models.prm, strategy_uses(config.decoding.strategy).roles
    if "prm" in needed and prm.kind != "judge":
        key = "model" if prm.tokenizer is None else "tokenizer"
        read[f"models.prm.{key}"] = prm.tokenizer or prm.model
    if config.decoding.profile == "paper":
        writers = [role for role in config.roles if role != "prm"]
        read |= {f"models.{role}.model": config.models.role(role).model for role in writers}
    return read


def _unknown_options(it: DecodingConfig) -> Iterator[Doubt]:
    """Options that the strategy does not read: any of a built-in one, and of a class with the
    attribute `options` those that it does not name."""
    if ":" not in it.strategy:
        for name in it.options:
            yield Doubt(
                f"decoding.options.{name}",
                f"{it.strategy} reads no options",
                "leave it out, or name a strategy of your own",
            )
        return
    own: Iterable[str] | None = getattr(load_class(it.strategy), "options", None)
    if own is None:
        return
    known = sorted(own)
    for name in sorted(it.options.keys() - set(known)):
        close = difflib.get_close_matches(name, known, n=1)
        reads = f"it reads {', '.join(known)}" if known else "leave it out"
        mend = f"did you mean {close[0]}?" if close else reads
        yield Doubt(f"decoding.options.{name}", f"{it.strategy} does not read it", mend, True)


def _choices_of_one(it: DecodingConfig) -> Iterator[Doubt]:
    """Strategies that choose among candidates, with one to choose from."""
    if it.strategy in _CHOOSING and it.candidates == 1:
        what = f"{it.strategy} of 1 is the {it.writer} alone"
        yield Doubt("decoding.candidates", what, "set it to 2 or more")
    if it.strategy == "beam" and it.beams == 1:
        alone = f"the {it.writer} alone" if it.candidates == 1 else "process_best_of_n"
        yield Doubt("decoding.beams", f"a search with 1 beam is {alone}", "set it to 2 or more")


def _unreachable_threshold(it: DecodingConfig) -> Iterator[Doubt]:
    """A finite threshold outside [0, 1], where all rewards lie."""
    if it.strategy not in _BY_REWARD or it.weighting != "step" or not math.isfinite(it.threshold):
        return
    if not 0 <= it.threshold <= 1:
        became, extreme = ("rejects", ".inf") if it.threshold > 1 else ("keeps", "-.inf")
        what = f"rewards lie between 0 and 1, so that {it.threshold:g} {became} every draft step"
        yield Doubt("decoding.threshold", what, f"correct it, or write {extreme} if that is meant")


def _idle_top_p(it: DecodingConfig) -> Iterator[Doubt]:
    if it.top_p < 1 and it.temperature == 0:
        what = f"{it.top_p:g} has no effect at temperature 0"
        yield Doubt("decoding.top_p", what, "set decoding.temperature, or leave it out")


def _one_server_twice(config: Config) -> Iterator[Doubt]:
    """Draft and target that are the same model of the same server."""
    draft, target = config.models.draft, config.models.target
    shared = {draft.endpoint} & {target.endpoint}
    same = shared and draft.served_name == target.served_name
    if same and {"draft", "target"} <= set(config.roles):
        what = f"draft and target are one model at {min(shared)}"
        yield Doubt("models.target.endpoint", what, "name the target's own server")
