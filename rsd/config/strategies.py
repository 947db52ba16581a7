"""Which servers each decoding strategy needs, and which keys of `decoding` it alone reads.

This is all that a configuration has to know of a strategy; `rsd.decoding.parts` builds them.
A strategy of your own is named `package.module:Class`; its class attribute `roles` says which
servers it needs, and it reads `decoding.options` and any key that it likes.
"""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from rsd.types import ROLES, Role, Source


@dataclass(frozen=True, slots=True)
class StrategyUses:
    """The servers and the particular keys of one strategy. `by_writer`: the model that
    `decoding.writer` names is needed in addition. `token_ids`: draft and target must exchange
    token ids."""

    roles: tuple[Role, ...]
    keys: tuple[str, ...] = ()
    by_writer: bool = False
    token_ids: bool = False


_WEIGHTING = ("threshold", "weighting", "probability", "sharpness")
_CHOICE = ("writer", "candidates")
_OWN = re.compile(r"[^:]+:[^:]+")

STRATEGY_KEYS: dict[str, StrategyUses] = {
    "rsd": StrategyUses(ROLES, (*_WEIGHTING, "candidates")),
    "draft": StrategyUses(("draft",)),
    "target": StrategyUses(("target",)),
    "majority": StrategyUses((), _CHOICE, by_writer=True),
    "best_of_n": StrategyUses(("prm",), _CHOICE, by_writer=True),
    "process_best_of_n": StrategyUses(("prm",), _CHOICE, by_writer=True),
    "beam": StrategyUses(("prm",), (*_CHOICE, "beams"), by_writer=True),
    "random": StrategyUses(("draft", "target"), ("probability",)),
    "first_steps": StrategyUses(("draft", "target"), ("first_steps",)),
    "oracle": StrategyUses(ROLES, _WEIGHTING),
    "guided": StrategyUses(ROLES, ("threshold", "candidates", "tilt"), token_ids=True),
    "confidence": StrategyUses(("draft", "target"), ("threshold",)),
}
"""`guided` is guided speculative inference; `confidence` accepts by the draft's own mean
log-probability, `threshold` then being one (<= 0)."""


WEIGHTING_KEYS: dict[str, frozenset[str]] = {
    "step": frozenset({"threshold"}),
    "constant": frozenset({"probability"}),
    "clipping": frozenset(),
    "sigmoidal": frozenset(),
    "logistic": frozenset({"threshold", "sharpness"}),
}
"""The keys of `decoding` that each weighting reads, of those that only weightings read in the
strategies that have one."""


def strategy_keys(name: str) -> tuple[str, ...]:
    """The particular keys of `decoding` that the strategy called `name` reads. Imports nothing, so
    that the configuration of a run that someone else made can be read.

    Raises `ValueError` for a name that is none.
    """
    if name in STRATEGY_KEYS:
        return STRATEGY_KEYS[name].keys
    if _OWN.fullmatch(name):
        return (*sorted({key for uses in STRATEGY_KEYS.values() for key in uses.keys}), "options")
    known = ", ".join(STRATEGY_KEYS)
    raise ValueError(f"no strategy {name!r}; known: {known}, or package.module:Class")


def strategy_uses(name: str, writer: Source | None = None) -> StrategyUses:
    """What the strategy called `name` uses, the model of `writer` included if it is given. Imports
    the class of a strategy of your own: call it only for a configuration that is about to run.
    `strategy_keys` imports nothing.

    Raises `ValueError` for an unknown name, and for a class that cannot be imported or whose roles
    are no roles.
    """
    keys = strategy_keys(name)
    if ":" in name:
        own = load_class(name)
        roles, token_ids = getattr(own, "roles", ROLES), getattr(own, "token_ids", False)
        if not isinstance(roles, tuple | list) or not set(roles) <= set(ROLES):
            raise ValueError(f"{name}: roles is {roles!r}; write a tuple of {', '.join(ROLES)}")
        return StrategyUses(tuple(roles), keys, token_ids=token_ids)
    uses = STRATEGY_KEYS[name]
    if writer is None or not uses.by_writer:
        return uses
    return StrategyUses((writer, *uses.roles), uses.keys)


def load_class(name: str) -> type:
    """The class `package.module:Class`, of an installed package or the working directory.

    Raises `ValueError` when there is none.
    """
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # a console script, unlike `python -m`, does not look there
        sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        mend = "is it installed, or in this directory?"
        raise ValueError(f"cannot import {name!r}: {error}; {mend}") from None
    if not isinstance(found, type):
        raise ValueError(f"{name!r} is no class")
    return found
