"""The syntax tree of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Num:
    """A number as written; `digits` counts the significant ones of a decimal, else it is 0."""

    value: Fraction
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Sym:
    """A variable, constant or label, by its LaTeX name without the backslash."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or function applied to arguments: `+ * / ^ neg pm sqrt sin ! binom cup ...`."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Seq:
    """Several answers, or one in brackets. `brackets` is two characters, or empty for a list."""

    brackets: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Rel:
    """A chain of relations: `sides[0] ops[0] sides[1] ...`; ops are `= != < <= > >= in :`."""

    ops: tuple[str, ...]
    sides: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of cells; `kind` is `matrix`, or `cases`, whose rows are no numbers in a grid."""

    rows: tuple[tuple[Node, ...], ...]
    kind: str = "matrix"


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    words: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with the words that follow it: a unit, most often."""

    value: Node
    unit: str


@dataclass(frozen=True, slots=True)
class Based:
    """A number written in a base, by its digits."""

    digits: str
    base: str


Node = Num | Sym | Call | Seq | Rel | Matrix | Text | Quantity | Based


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything below it."""
    yield node
    match node:
        case Call(_, args):
            below = args
        case Seq(_, items):
            below = items
        case Rel(_, sides):
            below = sides
        case Matrix(rows):
            below = tuple(cell for row in rows for cell in row)
        case Quantity(value, _):
            below = (value,)
        case _:
            below = ()
    for child in below:
        yield from walk(child)
