"""The parser reads or refuses; the evaluator stays exact and bounded."""

from fractions import Fraction

import pytest

from rsd.grading.formula.algebra import same_value
from rsd.grading.formula.evaluate import CannotEvaluate, evaluate
from rsd.grading.formula.parser import parse
from rsd.grading.formula.tokens import CannotParse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"\frac12", Fraction(1, 2)),
        (r"2\frac58", Fraction(21, 8)),
        (r"2\cdot\frac58", Fraction(5, 4)),
        ("-3^2", Fraction(-9)),
        ("2^{-3}", Fraction(1, 8)),
        ("2^3^2", Fraction(512)),
        ("5!/3!", Fraction(20)),
        (r"\binom{10}{3}", Fraction(120)),
        (r"\sqrt{\frac{9}{4}}", Fraction(3, 2)),
        (r"\sqrt[3]{-8}", Fraction(-2)),
        (r"\log_2 8", Fraction(3)),
        (r"\lfloor -2.5 \rfloor", Fraction(-3)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        ("|3-5|", Fraction(2)),
        (r"\max(2, 7)", Fraction(7)),
        ("1.2e3", Fraction(1200)),
    ],
)
def test_exact_values(text: str, value: Fraction) -> None:
    assert evaluate(parse(text), {}) == value


@pytest.mark.parametrize(
    "text",
    ["", "1 2", "3 +", r"\frac{1}", "(1", r"\begin{pmatrix}1&2", "(" * 500 + ")" * 500, "{" * 200,
     r"\int_0^1 x dx", "__import__('os')", "x.y()", "1e999999999", "1+" * 2000 + "1"],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(CannotParse):
        parse(text)


@pytest.mark.parametrize(
    "text", ["9^{9^{9^9}}", "((10!)!)!", "1/0", "0^{-1}", r"\ln 0", r"\binom{10^{20}}{5}", "x"]
)
def test_without_a_bounded_value(text: str) -> None:
    with pytest.raises(CannotEvaluate):
        evaluate(parse(text), {})


def test_large_values_stay_comparable() -> None:
    assert same_value(parse("10^{10^{10}}"), parse("5")) is False
    assert same_value(parse("1000000000!"), parse("5")) is False
    assert same_value(parse(r"\binom{1000000000}{500000000}"), parse("5")) is False


def test_what_cannot_be_told_is_said() -> None:
    assert same_value(parse(r"9^{9^{9^9}}"), parse("5")) is None
