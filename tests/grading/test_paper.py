"""The paper's verdict, with its faults."""

import pytest

from rsd.grading.paper import paper_verdict, quick_paper_verdict
from rsd.grading.paper.text import normalise


@pytest.mark.parametrize(
    ("answer", "gold", "accepted"),
    [
        ("0.5", r"\frac{1}{2}", True),
        ("50", r"0.5", True),  # off by a factor of a hundred
        ("1.00009", "1", True),  # within a relative 1e-4
        ("1.001", "1", False),
        ("(0,1)", "[0,1)", True),  # brackets are ignored
        ("1,2", "1,-2", True),  # of a list only the beginning is read
        ("(1,2)", "(2,1)", False),
        ("x=5", "5", True),
        ("180", r"\text{east}", True),  # a gold answer that is deleted as a unit
        ("-2, 1", "1, -2", False),
        ("7 apples", "7", True),
        ("2\\text{ apples}", "2", True),
        ("two", "2", True),
        ("pi", r"\pi", False),
        ("x^2+2x+1", "(x+1)^2", True),
        (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}", True),
        ("3p+2q=6", "6-2q=3p", True),
    ],
)
def test_accepts(answer: str, gold: str, accepted: bool) -> None:
    assert paper_verdict(rf"So \boxed{{{answer}}}.", gold, "math") is accepted


@pytest.mark.parametrize(
    ("response", "accepted"),
    [
        ("The answer is B, not A.", True),
        ("A is wrong; take B", True),
        ("B is right. Have a nice day", False),  # the article, in capitals, is the last letter
    ],
)
def test_choices(response: str, accepted: bool) -> None:
    assert paper_verdict(response, "B", "mmlu_stem") is accepted


def test_strings_and_numbers_need_no_worker() -> None:
    assert quick_paper_verdict(r"\boxed{4}", "4", "gsm8k") is True
    assert quick_paper_verdict(r"\boxed{4}", "5", "gsm8k") is False
    assert quick_paper_verdict(r"\boxed{x+x}", "2x", "math") is None


def test_units_are_deleted_inside_expressions_too() -> None:
    assert normalise("(a+5)(b+2)") == "(+5)(b+2)"
    assert normalise("5 miles") == "5"
    assert normalise("5 miles", keep_units=True) == "5miles"
