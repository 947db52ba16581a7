"""Equations, inequalities and sets of real numbers."""

from __future__ import annotations

from fractions import Fraction

from rsd.grading.compare.sequences import Same, all_of, is_label, is_list, value_of
from rsd.grading.formula.algebra import same_relation, symbols
from rsd.grading.formula.intervals import intervals_of, same_intervals
from rsd.grading.formula.tree import Call, Node, Num, Rel, Sym


def _computed(node: Node) -> Node | None:
    """The last value of a computation such as `8+14=22` or `a+b=3+4=7`."""
    if not isinstance(node, Rel) or set(node.ops) != {"="}:
        return None
    last = node.sides[-1]
    if symbols(last) or last == Num(Fraction(0)):
        return last if len(node.ops) > 1 and not symbols(last) else None
    return last


def approximates(node: Node) -> bool:
    """Whether `node` gives a rounded value."""
    return isinstance(node, Rel) and "approx" in node.ops


def _split(node: Node) -> tuple[Node, Node | None]:
    """`a \\approx b` as the exact and the rounded value; `x \\approx b` is the equation `x=b`."""
    if not isinstance(node, Rel) or "approx" not in node.ops:
        return node, None
    if is_label(node.sides[0]) and node.ops[0] == "approx":
        return _split(Rel(("=", *node.ops[1:]), node.sides))
    at = node.ops.index("approx")
    exact = Rel(node.ops[:at], node.sides[: at + 1]) if at else node.sides[0]
    return exact, node.sides[at + 1]


def same_approximately(answer: Node, gold: Node, same: Same) -> bool | None:
    """Exact values decide; rounded ones must agree too where both sides give one."""
    exact, rounded = _split(answer)
    wanted, wanted_rounded = _split(gold)
    verdict = same(exact, wanted)
    if rounded is not None and wanted_rounded is not None:
        return all_of((verdict, same(rounded, wanted_rounded)))
    if verdict:
        return True
    if rounded is not None:
        return same(rounded, wanted)
    return verdict if wanted_rounded is None else same(exact, wanted_rounded)


def is_region(node: Node) -> bool:
    """Whether `node` is built from sets, or is that of all real numbers."""
    if isinstance(node, Sym):
        return node.name == "mathbb(R)"
    return isinstance(node, Call) and node.name in ("cup", "cap", "setminus", "where")


def same_relations(answer: Node, gold: Node, same: Same) -> bool | None:
    """Two relations, two sets of numbers, or a value and the equation that states it.

    None where the pair is none of these.
    """
    if isinstance(answer, Rel) and isinstance(gold, Rel):
        return _same_rels(answer, gold, same)
    first, second = intervals_of(answer), intervals_of(gold)
    if first is not None and second is not None:
        return same_intervals(first, second)
    computed = _computed(answer)
    if computed is not None and value_of(answer) is None:
        return same(computed, gold)
    if is_list(answer) or is_list(gold):
        return None
    if isinstance(answer, Rel):
        value = value_of(answer)
        return False if value is None else same(value, gold)
    if isinstance(gold, Rel):
        value = value_of(gold) or (_computed(gold) if len(gold.ops) > 1 else None)
        if value is None:
            return False
        return same(answer, value)
    return None


def _same_rels(answer: Rel, gold: Rel, same: Same) -> bool | None:
    if same_relation(answer, gold):
        return True
    first, second = intervals_of(answer), intervals_of(gold)
    if first is not None and second is not None and set(answer.ops) | set(gold.ops) != {"="}:
        same_variable = symbols(answer.sides[0]) == symbols(gold.sides[0]) or (
            symbols(answer) == symbols(gold)
        )
        return same_variable and same_intervals(first, second)
    if len(answer.ops) > 1 and answer.ops == gold.ops:
        # A wrong step makes a chain of equations wrong, whatever stands at its end.
        return all_of(same(a, g) for a, g in zip(answer.sides, gold.sides, strict=True))
    value, wanted = value_of(answer), value_of(gold)
    if value is None or wanted is None:
        return False
    if answer.sides[0] != gold.sides[0] and answer.sides[0] != gold.sides[1]:
        return False
    return same(value, wanted)
