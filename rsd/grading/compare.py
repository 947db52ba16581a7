"""When two answers are the same: the rules of the default verdict, applied to trees."""

from __future__ import annotations

from fractions import Fraction

from rsd.grading.algebra import same_relation, same_value, symbols
from rsd.grading.intervals import intervals_of, same_intervals
from rsd.grading.tree import Based, Call, Matrix, Node, Num, Quantity, Rel, Seq, Sym, Text, walk
from rsd.grading.units import same_unit, unit_key
from rsd.grading.verdict import Options

MAX_ITEMS = 100
_UNBOXED_BRACKETS = ("[]", "{}")


def same(answer: Node, gold: Node, options: Options) -> bool | None:
    """Whether `answer` is `gold`. None where these rules cannot tell (an integral, a set name)."""
    if answer == gold:
        return True
    answer, gold = _bare(answer), _bare(gold)
    if answer == gold:
        return True
    if isinstance(answer, Rel) or isinstance(gold, Rel) or _is_region(answer) or _is_region(gold):
        verdict = _same_relations(answer, gold, options)
        if verdict is not None:
            return verdict
    if _is_list(answer) or _is_list(gold):
        return _same_lists(answer, gold, options)
    if isinstance(answer, Seq) or isinstance(gold, Seq):
        return _same_tuples(answer, gold, options)
    if isinstance(answer, Matrix) or isinstance(gold, Matrix):
        return _same_matrices(answer, gold, options)
    if isinstance(answer, Based) or isinstance(gold, Based):
        return _same_based(answer, gold, options)
    if isinstance(answer, Text) or isinstance(gold, Text):
        return _same_text(answer, gold)
    if _is_ratio(answer) and _is_ratio(gold):
        return _same_ratios(answer, gold)
    return _same_quantities(answer, gold, options)


def _bare(node: Node) -> Node:
    """A lone item out of its square or curly brackets."""
    while isinstance(node, Seq) and node.brackets in _UNBOXED_BRACKETS and len(node.items) == 1:
        if isinstance(node.items[0], Call) and node.items[0].name == "where":
            return node
        node = node.items[0]
    return node


# Relations and sets of numbers


def is_label(node: Node) -> bool:
    """Whether the left side of an equation only names the value: `x`, `f(x)`, `|AB|`, `(p,q)`."""
    parts = list(walk(node))
    if any(isinstance(p, (Num, Based, Matrix, Rel)) for p in parts):
        return isinstance(node, Call) and node.name == "*" and isinstance(node.args[0], Sym)
    names = {p.name for p in parts if isinstance(p, Call)}
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


def _computed(node: Node) -> Node | None:
    """The last value of a computation such as `8+14=22` or `a+b=3+4=7`."""
    if not isinstance(node, Rel) or set(node.ops) != {"="}:
        return None
    first, last = node.sides[0], node.sides[-1]
    if symbols(last) or last == Num(Fraction(0)):
        return last if len(node.ops) > 1 and not symbols(last) else None
    return last


def _is_region(node: Node) -> bool:
    return isinstance(node, Call) and node.name in ("cup", "cap", "setminus", "where")


def _same_relations(answer: Node, gold: Node, options: Options) -> bool | None:
    if isinstance(answer, Rel) and isinstance(gold, Rel):
        return _same_rels(answer, gold, options)
    first, second = intervals_of(answer), intervals_of(gold)
    if first is not None and second is not None:
        return same_intervals(first, second)
    computed = _computed(answer)
    if computed is not None and value_of(answer) is None:
        return same(computed, gold, options)
    if _is_list(answer) or _is_list(gold):
        return None
    if isinstance(answer, Rel):
        value = value_of(answer)
        return False if value is None else same(value, gold, options)
    if isinstance(gold, Rel):
        value = value_of(gold)
        if value is None:
            return False
        return same(answer, value, options)
    return None


def _same_rels(answer: Rel, gold: Rel, options: Options) -> bool | None:
    if same_relation(answer, gold):
        return True
    first, second = intervals_of(answer), intervals_of(gold)
    if first is not None and second is not None and set(answer.ops) | set(gold.ops) != {"="}:
        same_variable = symbols(answer.sides[0]) == symbols(gold.sides[0]) or (
            symbols(answer) == symbols(gold)
        )
        return same_variable and same_intervals(first, second)
    value, wanted = value_of(answer), value_of(gold)
    if value is None or wanted is None:
        return False
    if answer.sides[0] != gold.sides[0] and answer.sides[0] != gold.sides[1]:
        return False
    return same(value, wanted, options)


# Lists, tuples, matrices


def _is_list(node: Node) -> bool:
    if isinstance(node, Seq):
        return node.brackets in ("", "{}")
    value = node.sides[-1] if isinstance(node, Rel) and is_label(node.sides[0]) else node
    return any(isinstance(n, Call) and n.name in ("pm", "mp") for n in walk(value))


def _items(node: Node) -> list[Node]:
    """What a list contains: plus-or-minus spelled out, the name before the values dropped."""
    if isinstance(node, Rel):
        value = value_of(node)
        return _items(value) if value is not None and _is_list(value) else [node]
    if isinstance(node, Seq) and node.brackets in ("", "{}"):
        out: list[Node] = []
        for item in node.items:
            out += _items(item) if not isinstance(item, Seq) else [item]
        return out
    if any(isinstance(n, Call) and n.name in ("pm", "mp") for n in walk(node)):
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


def _unlabelled(items: list[Node]) -> list[Node]:
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


def _distinct(items: list[Node], options: Options) -> list[Node]:
    if len(items) > 12:
        return list(dict.fromkeys(items))
    kept: list[Node] = []
    for item in items:
        if not any(same(item, other, options) for other in kept):
            kept.append(item)
    return kept


def _same_lists(answer: Node, gold: Node, options: Options) -> bool | None:
    if _is_tuple(answer) or _is_tuple(gold):
        # Names do not say the order: `a=1, b=2` is no tuple.
        if any(isinstance(i, Rel) for i in (*_items(answer), *_items(gold))):
            named = any(len(_items(n)) > 1 for n in (answer, gold) if not _is_tuple(n))
            if named:
                return False
        return _same_tuples(answer, gold, options)
    left, right = _items(answer), _items(gold)
    if len(left) > MAX_ITEMS or len(right) > MAX_ITEMS:
        return left == right
    if not left or not right:
        return not left and not right
    verdict = _matched(left, right, options)
    if not verdict:
        bare_left, bare_right = _unlabelled(left), _unlabelled(right)
        if (bare_left, bare_right) != (left, right) and (bare_left == left) != (
            bare_right == right
        ):
            left, right = bare_left, bare_right
            verdict = _matched(left, right, options)
    if not verdict and len(left) != len(right):
        verdict = _matched(_distinct(left, options), _distinct(right, options), options)
    return verdict


def _matched(left: list[Node], right: list[Node], options: Options) -> bool | None:
    """Whether the items pair off, in any order; a shared unit may stand on the last one only."""
    if len(left) != len(right):
        return False
    remaining = list(right)
    undecided = False
    for item in left:
        for other in remaining:
            verdict = same(item, other, options)
            if verdict:
                remaining.remove(other)
                break
            undecided = undecided or verdict is None
        else:
            return None if undecided else False
    return True


def _is_tuple(node: Node) -> bool:
    return isinstance(node, Seq) and node.brackets not in ("", "{}") and len(node.items) != 1


def _same_tuples(answer: Node, gold: Node, options: Options) -> bool | None:
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
    return _all(same(a, g, options) for a, g in zip(first.items, second.items, strict=True))


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


def _all(verdicts: object) -> bool | None:
    undecided = False
    for verdict in verdicts:  # type: ignore[attr-defined]
        if verdict is False:
            return False
        undecided = undecided or verdict is None
    return None if undecided else True


def _same_matrices(answer: Node, gold: Node, options: Options) -> bool | None:
    if not isinstance(answer, Matrix) or not isinstance(gold, Matrix) or answer.kind != gold.kind:
        return False
    if [len(r) for r in answer.rows] != [len(r) for r in gold.rows]:
        return False
    return _all(
        same(a, g, options)
        for left, right in zip(answer.rows, gold.rows, strict=True)
        for a, g in zip(left, right, strict=True)
    )


# Numbers with a base, ratios, units, words


def _same_based(answer: Node, gold: Node, options: Options) -> bool | None:
    if isinstance(answer, Based) and isinstance(gold, Based):
        return answer == gold
    based, other = (answer, gold) if isinstance(answer, Based) else (gold, answer)
    assert isinstance(based, Based)
    negative = isinstance(other, Call) and other.name == "neg"
    if negative or not isinstance(other, Num) or other.value.denominator != 1:
        return False
    return options.omitted_base and based.digits == str(other.value)


def _is_ratio(node: Node) -> bool:
    return isinstance(node, Call) and node.name == "ratio"


def _same_ratios(answer: Node, gold: Node) -> bool | None:
    assert isinstance(answer, Call)
    assert isinstance(gold, Call)
    if len(answer.args) != len(gold.args):
        return False
    cross = (
        same_value(Call("*", (a, gold.args[0])), Call("*", (g, answer.args[0])))
        for a, g in zip(answer.args[1:], gold.args[1:], strict=True)
    )
    return _all(cross)


def measured(node: Node) -> tuple[Node, str]:
    """Value and unit: of `5 cm`, `90^\\circ`, `\\$36`, `28\\%`."""
    match node:
        case Quantity(value, unit):
            inner, other = measured(value)
            return inner, other if not unit_key(unit) else unit
        case Call("%", (value,)):
            return value, "%"
        case Call("deg", (value,)):
            return value, "degree"
        case Call("$", (value,)):
            return value, "dollar"
        case Call("neg", (Call("$" | "%" | "deg") as inner_call,)):
            value, unit = measured(inner_call)
            return Call("neg", (value,)), unit
        case Call("*" | "/" | "+" | "-", (Call("$", (value,)), other_side)):
            assert isinstance(node, Call)
            return Call(node.name, (value, other_side)), "dollar"
    return node, ""


def _same_quantities(answer: Node, gold: Node, options: Options) -> bool | None:
    value, unit = measured(answer)
    wanted, gold_unit = measured(gold)
    if isinstance(value, Text) or isinstance(wanted, Text):
        return _same_text(value, wanted)
    if (value, wanted) != (answer, gold) and not _is_scalar(value, wanted):
        return same_unit(unit, gold_unit) and same(value, wanted, options)
    keys = (unit_key(unit), unit_key(gold_unit))
    if "degree" in keys and keys != ("degree", "degree"):
        turned = same_value(_radians(answer, keys[0]), _radians(gold, keys[1]))
        if turned or keys[0] == "radian" or keys[1] == "radian":
            return turned
    if not same_unit(unit, gold_unit):
        return False
    verdict = same_value(value, wanted, options.decimal_digits)
    if verdict is False and options.percent_scale and "percent" in keys and keys[0] != keys[1]:
        hundred = Num(Fraction(100))
        scaled = value if keys[0] else Call("*", (value, hundred))
        target = wanted if keys[1] else Call("*", (wanted, hundred))
        return same_value(scaled, target, options.decimal_digits)
    return verdict


def _is_scalar(*nodes: Node) -> bool:
    return not any(isinstance(n, (Seq, Rel, Matrix, Based)) for n in nodes)


def _radians(node: Node, unit: str) -> Node:
    value, _ = measured(node)
    return Call("deg", (value,)) if unit == "degree" else value


def _same_text(answer: Node, gold: Node) -> bool:
    if isinstance(answer, Text) and isinstance(gold, Text):
        return answer.words.casefold() == gold.words.casefold()
    return False
