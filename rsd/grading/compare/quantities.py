"""Numbers with a base, ratios, units, words."""

from __future__ import annotations

from fractions import Fraction

from rsd.grading.compare.sequences import Same, all_of
from rsd.grading.formula.algebra import rounds_to, same_value
from rsd.grading.formula.tree import Based, Call, Matrix, Node, Num, Quantity, Rel, Seq, Sym, Text
from rsd.grading.values.units import conversion, same_unit, unit_key
from rsd.grading.verdict import Options


def same_based(answer: Node, gold: Node, options: Options) -> bool:
    """Numbers in a base, by digits and base."""
    if isinstance(answer, Based) and isinstance(gold, Based):
        return answer == gold
    based, other = (answer, gold) if isinstance(answer, Based) else (gold, answer)
    assert isinstance(based, Based)
    negative = isinstance(other, Call) and other.name == "neg"
    if negative or not isinstance(other, Num) or other.value.denominator != 1:
        return False
    return options.omitted_base and based.digits == str(other.value)


def is_ratio(node: Node) -> bool:
    """Whether `node` is written `a:b`."""
    return isinstance(node, Call) and node.name == "ratio"


def same_ratios(answer: Node, gold: Node, same: Same) -> bool | None:
    """Ratios of equally many parts, in proportion."""
    assert isinstance(answer, Call)
    assert isinstance(gold, Call)
    if len(answer.args) != len(gold.args):
        return False
    pairs = list(zip(answer.args, gold.args, strict=True))
    if all(same(a, g) for a, g in pairs):
        return True
    if any(isinstance(p, Quantity) or p == Num(Fraction(0)) for pair in pairs for p in pair):
        return False
    first, wanted = pairs[0]
    return all_of(same_value(Call("*", (a, wanted)), Call("*", (g, first))) for a, g in pairs[1:])


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


def same_quantities(answer: Node, gold: Node, options: Options, same: Same) -> bool | None:
    """Values with or without units; a unit that one side leaves out agrees with any."""
    value, unit = measured(answer)
    wanted, gold_unit = measured(gold)
    if isinstance(value, Text) or isinstance(wanted, Text):
        return same_text(value, wanted)
    if (value, wanted) != (answer, gold) and not _is_scalar(value, wanted):
        return same_unit(unit, gold_unit) and same(value, wanted)
    if bool(unit) != bool(gold_unit):
        value, unit = _with_letter(value, unit, gold_unit)
        wanted, gold_unit = _with_letter(wanted, gold_unit, unit)
    keys = (unit_key(unit), unit_key(gold_unit))
    if "degree" in keys and keys != ("degree", "degree"):
        turned = same_value(_radians(answer, keys[0]), _radians(gold, keys[1]))
        if turned or keys[0] == "radian" or keys[1] == "radian":
            return turned
    if not same_unit(unit, gold_unit):
        factor = conversion(unit, gold_unit)
        if factor is None:
            return False
        value = Call("*", (value, Num(factor)))
    verdict = same_value(value, wanted, options.decimal_digits)
    if verdict is False and rounds_to(value, wanted, options.rounded_gold):
        return True
    if verdict is False and options.percent_scale and "percent" in keys and keys[0] != keys[1]:
        hundred = Num(Fraction(100))
        scaled = value if keys[0] else Call("*", (value, hundred))
        target = wanted if keys[1] else Call("*", (wanted, hundred))
        return same_value(scaled, target, options.decimal_digits)
    return verdict


def _with_letter(value: Node, unit: str, other_unit: str) -> tuple[Node, str]:
    """`5 m` as five metres, where the other side says that metres are meant."""
    match value:
        case Call("*", (number, Sym(letter))) if not unit and unit_key(other_unit) == letter:
            return number, letter
    return value, unit


def _is_scalar(*nodes: Node) -> bool:
    return not any(isinstance(n, (Seq, Rel, Matrix, Based)) for n in nodes)


def _radians(node: Node, unit: str) -> Node:
    value, _ = measured(node)
    return Call("deg", (value,)) if unit == "degree" else value


def same_text(answer: Node, gold: Node) -> bool:
    """Words, whatever their case."""
    if isinstance(answer, Text) and isinstance(gold, Text):
        return answer.words.casefold() == gold.words.casefold()
    return False
