"""Translates the wording of an answer into mathematics that the formula parser reads.

Each step of `spellings` translates one kind of wording and leaves everything else as it is.
"""

from __future__ import annotations

from rsd.grading.values.measures import cents_in_dollars, compound, counted, with_money, with_unit
from rsd.grading.values.numerals import number_in_words, with_multipliers
from rsd.grading.values.phrases import (
    bound,
    named_set,
    parts,
    said_of,
    undecorated,
    unflagged,
    western,
    without_condition,
)

__all__ = ["spellings", "undecorated", "without_condition"]


def spellings(text: str) -> list[str]:
    """The ways to spell `text` as mathematics, the likeliest first; at least one."""
    text = unflagged(western(undecorated(text)))
    whole = named_set(text) or bound(text) or said_of(text) or number_in_words(text)
    if whole:
        return [whole]
    several = parts(text)
    if several:
        return several
    text = with_multipliers(text)
    if sums := compound(text):
        return sums
    text = with_money(counted(text))
    measured = with_unit(text)
    return list(dict.fromkeys((measured, *cents_in_dollars(measured), text)))
