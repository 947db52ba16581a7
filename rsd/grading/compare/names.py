"""Equations that only name their value."""

from __future__ import annotations

from rsd.grading.formula.algebra import symbols
from rsd.grading.formula.tree import Based, Call, Matrix, Node, Num, Rel, walk


def is_label(node: Node) -> bool:
    """Whether the left side of an equation only names the value: `x`, `f(x)`, `|AB|`, `(p,q)`."""
    parts = list(walk(node))
    if any(isinstance(p, (Num, Based, Matrix, Rel)) for p in parts):
        return isinstance(node, Call) and node.name[0] == "<"
    names = {p.name for p in parts if isinstance(p, Call) and p.name[0] != "<"}
    return names <= {"*", "/", "abs", "ratio", "'", "_", "deg"} or (
        isinstance(node, Call) and len(symbols(node)) == 1 and not names & {"+", "-", "^", "neg"}
    )


def value_of(node: Node) -> Node | None:
    """The value that an equation assigns: `5` of `x=5`, `7` of `x=3+4=7`; None if it is none."""
    if not isinstance(node, Rel) or not set(node.ops) <= {"=", "in"}:
        return None
    first, last = node.sides[0], node.sides[-1]
    if is_label(first):
        return last
    return None
