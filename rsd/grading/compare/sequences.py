"""Lists in any order, tuples and matrices in order, and the names before their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from rsd.grading.formula.algebra import pair_off, symbols
from rsd.grading.formula.tree import Based, Call, Matrix, Node, Num, Quantity, Rel, Seq, Sym, walk

Same = Callable[[Node, Node], bool | None]
MAX_ITEMS = 100


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
    if isinstance(node, Rel) and set(node.ops) <= {"=", "in"} and is_label(node.sides[0]):
        return node.sides[-1]
    return None


def is_list(node: Node) -> bool:
    if isinstance(node, Seq):
        return node.brackets in ("", "{}")
    if isinstance(node, Rel):
        value = value_of(node)
        return value is not None and is_list(value)
    return has_two_signs(node)


def has_two_signs(node: Node) -> bool:
    """Whether `node` contains a plus-or-minus."""
    if isinstance(node, Quantity):
        return has_two_signs(node.value)
    if not isinstance(node, Call):
        return False
    return node.name in ("pm", "mp") or any(has_two_signs(a) for a in node.args)


def items_of(node: Node) -> list[Node]:
    """The items of a list, with both values of a plus-or-minus, without the name before them."""
    if isinstance(node, Rel):
        value = value_of(node)
        return items_of(value) if value is not None and is_list(value) else [node]
    if isinstance(node, Seq) and node.brackets in ("", "{}"):
        out: list[Node] = []
        for item in node.items:
            out += items_of(item) if not isinstance(item, Seq) else [item]
        return out
    if has_two_signs(node):
        return [_signed(node, 1), _signed(node, -1)]
    return [node]


def _signed(node: Node, sign: int) -> Node:
    if not isinstance(node, Call):
        if isinstance(node, Quantity):
            return Quantity(_signed(node.value, sign), node.unit)
        return node
    args = tuple(_signed(a, sign) for a in node.args)
    if node.name in ("pm", "mp"):
        plus = (sign > 0) == (node.name == "pm")
        if args[0] == Num(Fraction(0)):
            return args[1] if plus else Call("neg", (args[1],))
        return Call("+" if plus else "-", args)
    return Call(node.name, args)


def unlabelled(items: list[Node]) -> list[Node]:
    """Items without their names where all are named alike (`x=1, x=2`, `x_1=1, x_2=2`)."""
    values = [value_of(item) for item in items]
    if values[0] is not None and len(items) > 1 and all(v is None for v in values[1:]):
        return [values[0], *items[1:]]
    names = {
        _stem(item.sides[0])
        for item, value in zip(items, values, strict=True)
        if value is not None and isinstance(item, Rel)
    }
    if len(names) == 1 and all(v is not None for v in values):
        return [v for v in values if v is not None]
    return items


def _stem(node: Node) -> str:
    return node.name.split("_")[0] if isinstance(node, Sym) else repr(node)


def _without_restatements(items: list[Node], same: Same) -> list[Node]:
    """Items without those equal to an earlier one in another form: `0.5` after `1/2`."""
    if len(items) > 12:
        return items
    kept: list[Node] = []
    for item in items:
        if not any(item != other and same(item, other) for other in kept):
            kept.append(item)
    return kept


def same_lists(answer: Node, gold: Node, same: Same) -> bool | None:
    answer, gold = _unnamed(answer), _unnamed(gold)
    answer, gold = _opened(answer, gold), _opened(gold, answer)
    if is_tuple(answer) or is_tuple(gold):
        first, second = _by_name(answer), _by_name(gold)
        return first is not None and second is not None and same_tuples(first, second, same)
    left, right = items_of(answer), items_of(gold)
    if len(left) > MAX_ITEMS or len(right) > MAX_ITEMS:
        return left == right
    if not left or not right:
        return not left and not right
    verdict = pair_off(left, right, same)
    if not verdict:
        bare_left, bare_right = unlabelled(left), unlabelled(right)
        if (bare_left, bare_right) != (left, right) and (bare_left == left) != (
            bare_right == right
        ):
            left, right = bare_left, bare_right
            verdict = pair_off(left, right, same)
    if not verdict and len(left) != len(right):
        left, right = _without_restatements(left, same), _without_restatements(right, same)
        verdict = pair_off(left, right, same)
    return verdict


def _unnamed(node: Node) -> Node:
    """`(1,2)` of `(x,y)=(1,2)`."""
    value = value_of(node)
    return value if value is not None and is_tuple(value) else node


def _opened(node: Node, other: Node) -> Node:
    """`[(1,2),(3,4)]` as a list if the other answer is a list of tuples."""
    if isinstance(node, Seq) and is_tuple(node) and is_list(other):
        others = items_of(other)
        if len(others) > 1 and all(is_tuple(item) for item in (*node.items, *others)):
            return Seq("", node.items)
    return node


def _by_name(node: Node) -> Node | None:
    """`(1,2)` of `y=2, x=1`: the values in the order of their names.

    None for names without an order: `a_1=-1, a_2=1` is not the interval `(-1,1)`.
    """
    if not isinstance(node, Seq) or node.brackets or len(node.items) < 2:
        return node
    equations = [item for item in node.items if isinstance(item, Rel)]
    if not equations:
        return node
    named = {
        equation.sides[0].name: value
        for equation in equations
        if isinstance(equation.sides[0], Sym) and (value := value_of(equation)) is not None
    }
    if len(named) < len(node.items) or any(len(name) > 1 for name in named):
        return None
    return Seq("", tuple(named[name] for name in sorted(named)))


def is_tuple(node: Node) -> bool:
    return isinstance(node, Seq) and node.brackets not in ("", "{}") and len(node.items) != 1


def same_tuples(answer: Node, gold: Node, same: Same) -> bool | None:
    """In order, item by item. For pairs the brackets count: they may be intervals."""
    first, second = _as_row(answer), _as_row(gold)
    if first is None or second is None or len(first.items) != len(second.items):
        return False
    kinds = {first.brackets, second.brackets}
    if "{}" in kinds and len(kinds) > 1:
        return False
    pair = len(first.items) == 2
    if pair and len(kinds) > 1 and not kinds & {"", "<>", "row"}:
        return False
    if not pair and len(kinds - {"()", "[]", "<>", "", "row"}) > 0 and len(kinds) > 1:
        return False
    return all_of(same(a, g) for a, g in zip(first.items, second.items, strict=True))


def _as_row(node: Node) -> Seq | None:
    if isinstance(node, Seq):
        return node
    if isinstance(node, Matrix) and node.kind == "matrix":
        if all(len(row) == 1 for row in node.rows):
            return Seq("row", tuple(row[0] for row in node.rows))
        if len(node.rows) == 1:
            return Seq("row", node.rows[0])
        return Seq("row", tuple(Seq("", row) for row in node.rows))
    return None


def all_of(verdicts: Iterable[bool | None]) -> bool | None:
    """False if one verdict is, else None if one is undecided, else True."""
    undecided = False
    for verdict in verdicts:
        if verdict is False:
            return False
        undecided = undecided or verdict is None
    return None if undecided else True


def same_matrices(answer: Node, gold: Node, same: Same) -> bool | None:
    if not isinstance(answer, Matrix) or not isinstance(gold, Matrix) or answer.kind != gold.kind:
        return False
    if [len(r) for r in answer.rows] != [len(r) for r in gold.rows]:
        return False
    return all_of(
        same(a, g)
        for left, right in zip(answer.rows, gold.rows, strict=True)
        for a, g in zip(left, right, strict=True)
    )
