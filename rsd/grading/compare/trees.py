"""When two answers are the same: the rules of the default verdict, applied to trees."""

from __future__ import annotations

from functools import partial

from rsd.grading.compare.equations import (
    approximates,
    is_region,
    same_approximately,
    same_relations,
)
from rsd.grading.compare.quantities import (
    is_ratio,
    same_based,
    same_quantities,
    same_ratios,
    same_text,
)
from rsd.grading.compare.sequences import is_list, same_lists, same_matrices, same_tuples
from rsd.grading.formula.clock import is_clock, same_clock
from rsd.grading.formula.tree import Based, Matrix, Node, Rel, Seq, Text
from rsd.grading.verdict import Options

__all__ = ["same"]

_UNBOXED_BRACKETS = ("[]", "{}")


def same(answer: Node, gold: Node, options: Options) -> bool | None:
    """Whether `answer` is `gold`. None where these rules cannot tell (an integral, a set name)."""
    if answer == gold:
        return True
    answer, gold = _bare(answer), _bare(gold)
    if answer == gold:
        return True
    again = partial(same, options=options)
    if approximates(answer) or approximates(gold):
        return same_approximately(answer, gold, again)
    if isinstance(answer, Rel) or isinstance(gold, Rel) or is_region(answer) or is_region(gold):
        verdict = same_relations(answer, gold, again)
        if verdict is not None:
            return verdict
    if is_list(answer) or is_list(gold):
        return same_lists(answer, gold, again)
    if isinstance(answer, Seq) or isinstance(gold, Seq):
        return same_tuples(answer, gold, again)
    if isinstance(answer, Matrix) or isinstance(gold, Matrix):
        return same_matrices(answer, gold, again)
    if isinstance(answer, Based) or isinstance(gold, Based):
        return same_based(answer, gold, options)
    if isinstance(answer, Text) or isinstance(gold, Text):
        return same_text(answer, gold)
    if is_clock(answer) or is_clock(gold):
        return same_clock(answer, gold)
    if is_ratio(answer) and is_ratio(gold):
        return same_ratios(answer, gold, again)
    return same_quantities(answer, gold, options, again)


def _bare(node: Node) -> Node:
    """A lone item out of its square or curly brackets."""
    while isinstance(node, Seq) and node.brackets in _UNBOXED_BRACKETS and len(node.items) == 1:
        node = node.items[0]
    return node
