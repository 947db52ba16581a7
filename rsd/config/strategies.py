"""The registry of strategies, and what the rest of the package knows of each.

These facts are attributes of the strategy's class. `rsd.config` lies below `rsd.decoding`, so the
registry holds the path of each class, in the form `package.module:Class` in which users name their
own, and imports it on first use. A user's class is imported only when it is about to run.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from rsd.types import ROLES, Role, Source

_STRATEGIES = "rsd.decoding.strategies"
_USER_CLASS = re.compile(r"[^:]+:[^:]+")

STRATEGIES: dict[str, str] = {
    "rsd": f"{_STRATEGIES}.speculative:RewardGuidedSpeculativeDecoding",
    "draft": f"{_STRATEGIES}.single:DraftAlone",
    "target": f"{_STRATEGIES}.single:TargetAlone",
    "majority": f"{_STRATEGIES}.sampling:MajorityVote",
    "best_of_n": f"{_STRATEGIES}.sampling:BestOfN",
    "process_best_of_n": f"{_STRATEGIES}.search:ProcessBestOfN",
    "beam": f"{_STRATEGIES}.search:BeamSearch",
    "random": f"{_STRATEGIES}.controls:RandomRouting",
    "first_steps": f"{_STRATEGIES}.controls:FirstSteps",
    "oracle": f"{_STRATEGIES}.controls:Oracle",
    "guided": f"{_STRATEGIES}.guided:GuidedSpeculativeInference",
    "confidence": f"{_STRATEGIES}.confidence:ConfidenceRouting",
}
"""The values of `decoding.strategy`, each with the path of its class."""

WEIGHTING_KEYS: dict[str, frozenset[str]] = {
    "step": frozenset({"threshold"}),
    "constant": frozenset({"probability"}),
    "clipping": frozenset(),
    "sigmoidal": frozenset(),
    "logistic": frozenset({"threshold", "sharpness"}),
}
"""For each weighting, the keys of `decoding` that it reads."""


@dataclass(frozen=True, slots=True)
class StrategyFacts:
    """What a strategy's class says of it, in attributes of these names.

    `roles`: the models that it uses, beside the one that `decoding.writer` names.
    `keys`: the keys of `decoding` that not all strategies read and it does.
    `label`: for tables, a format string over the keys of `decoding`, `rule` (the weighting and its
    parameters) and `several` (the number of candidates, if above 1).
    `options`: the names that it reads in `decoding.options`; None: any.
    `token_ids`: draft and target must exchange token ids.
    `judges_drafts`: a rule accepts or rejects each draft step.
    `can_calibrate`: that rule is `weighting` of the reward, so that recorded rewards tell the
    decisions at other thresholds.
    `threshold_curve`: its runs at several thresholds form a curve of accuracy over cost.
    `check`: raises `ValueError` for a section `decoding` that it cannot work with.

    Of a user's class only `roles`, `options` and `token_ids` are read.
    """

    roles: tuple[Role, ...] = ROLES
    keys: tuple[str, ...] = ()
    label: str = ""
    options: tuple[str, ...] | None = None
    token_ids: bool = False
    judges_drafts: bool = False
    can_calibrate: bool = False
    threshold_curve: bool = False
    check: Callable[[Any], None] = lambda decoding: None


def strategy_facts(name: str) -> StrategyFacts:
    """The facts of the strategy called `name`.

    A user's class is not imported, so that anyone's run can be read: all keys count as read, and
    all roles as used. Raises `ValueError` for an unknown name.
    """
    if name in STRATEGIES:
        return _facts(STRATEGIES[name])
    if _USER_CLASS.fullmatch(name):
        return StrategyFacts(keys=(*sorted(strategy_specific_keys()), "options"))
    known = ", ".join(STRATEGIES)
    raise ValueError(f"unknown strategy {name!r}; use {known}, or package.module:Class")


def strategy_uses(name: str, writer: Source | None = None) -> StrategyFacts:
    """As `strategy_facts`, for a configuration that is about to run: imports a user's class, and
    adds the model of `writer`, if given, to the roles of a strategy that reads it.

    Raises `ValueError` for an unknown name, a class that cannot be imported, and invalid roles.
    """
    facts = strategy_facts(name)
    if name not in STRATEGIES:
        imported = _facts_of(load_class(name))
        if not isinstance(imported.roles, tuple | list) or not set(imported.roles) <= set(ROLES):
            names = ", ".join(ROLES)
            raise ValueError(f"{name}: roles is {imported.roles!r}; use a tuple of {names}")
        return replace(
            facts,
            roles=tuple(imported.roles),
            token_ids=imported.token_ids,
            options=imported.options,
        )
    if writer is not None and "writer" in facts.keys:
        return replace(facts, roles=(writer, *facts.roles))
    return facts


def writing_models(name: str, writer: Source) -> tuple[Source, ...]:
    """The models that write in the strategy called `name`, first the one that writes candidates.
    A user's class is not imported, and counts as using both."""
    if name not in STRATEGIES:
        return ("draft", "target")
    facts = strategy_facts(name)
    chosen: tuple[Source, ...] = (writer,) if "writer" in facts.keys else ()
    return (*chosen, *(role for role in facts.roles if role != "prm"))


def strategy_specific_keys() -> frozenset[str]:
    """All keys of `decoding` that only some strategies read, `options` excepted."""
    return frozenset(key for path in STRATEGIES.values() for key in _facts(path).keys)


def load_class(name: str) -> type:
    """The class of the strategy called `name`; a user's is looked up in installed packages and the
    working directory. Raises `ValueError` when it cannot be imported."""
    module, _, attribute = STRATEGIES.get(name, name).partition(":")
    here = str(Path.cwd())
    if name not in STRATEGIES and here not in sys.path:
        sys.path.append(here)  # `python -m` looks there, an installed command does not
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        fix = "install its package, or run in its directory"
        raise ValueError(f"cannot import {name!r}: {error}; {fix}") from None
    if not isinstance(found, type):
        raise ValueError(f"{name!r} is not a class; name one as package.module:Class")
    return found


@cache
def _facts(path: str) -> StrategyFacts:
    """The facts of the registered class at `path`."""
    module, _, attribute = path.partition(":")
    return _facts_of(getattr(importlib.import_module(module), attribute))


def _facts_of(own: type) -> StrategyFacts:
    names = [field.name for field in fields(StrategyFacts)]
    return StrategyFacts(**{name: getattr(own, name) for name in names if hasattr(own, name)})
