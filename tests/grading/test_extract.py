"""Where a response's answer is found."""

import pytest

from rsd.grading.reply.extract import Extraction, extract
from rsd.kinds import AnswerKind


@pytest.mark.parametrize(
    ("response", "text", "source"),
    [
        (r"First \boxed{1}. So it is \boxed{\frac{1}{2}}.", r"\frac{1}{2}", "box"),
        (r"\boxed{2} and \boxed{3}", "2, 3", "box"),
        (r"$x = \boxed{2}$ or $x = \boxed{-2}$", "2, -2", "box"),
        (r"The answer is \boxed{5}. Check: \boxed{5", "5", "box"),
        (r"\boxed{e^{-2", "e^{-2", "box"),
        ("So the answer is 42.\nThis answer is correct.", "42", "answer-is"),
        ("The final answer is $(-6, 10)$. I hope it is correct.", "$(-6, 10)$", "answer-is"),
        ("The answer is:\n\\[ \\frac{207}{64} \\]\n", "\\[ \\frac{207}{64} \\]", "answer-is"),
        ("2+2=4\n#### 4", "4", "hash"),
        ("They sold 1,250 tickets in 3 days, and earned $2,500.50 in total.", "$2,500.50", "last"),
        ("so the probability that she wins the game is 2/3 in the end.", "2/3", "last"),
        ("The ordered pair that solves the system is $(7, 6)$, as we saw.", "(7, 6)", "last"),
        ("x = 3", "x = 3", "whole"),
        ("The answer is 3<|im_end|>\n<|im_start|>user\nAnd 5?", "3", "answer-is"),
    ],
)
def test_found(response: str, text: str, source: str) -> None:
    assert extract(response) == Extraction(text, source)


@pytest.mark.parametrize("response", ["", "   ", r"\boxed{}", "I do not know the number at all."])
def test_nothing_to_find(response: str) -> None:
    assert extract(response) is None


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        (r"\boxed{C}", "C"),
        (r"\boxed{\text{(D) } 5}", "D"),
        ("The answer is (B).", "B"),
        ("Therefore option E is right. A good day.", "E"),
        ("... #### A", "A"),
        ("It cannot be A. So it must be the second: (B)", "B"),
        ("The correct choice is B, since C is too big.", "B"),
        ("So the right option is: (D). A vector has no such length.", "D"),
    ],
)
def test_choices(response: str, letter: str) -> None:
    found = extract(response, AnswerKind.CHOICE)
    assert found is not None
    assert found.text == letter


def test_only_the_end_of_a_long_response_is_read() -> None:
    assert extract(r"\boxed{1}" + " word" * 20_000) is None
