"""Text made to hang, crash, exhaust or inject: a verdict comes, and nothing is executed."""

import asyncio
import time
from pathlib import Path

import pytest

from rsd.grading import GraderPool, Verdict, extract_answer
from rsd.grading.compare.answers import compare_answers
from rsd.grading.compare.symbolic import is_safe
from rsd.grading.paper import quick_paper_verdict
from rsd.grading.verdict import Options
from rsd.grading.workers.pool import verdict_on
from rsd.kinds import AnswerKind

HOSTILE = {
    "tower": r"\boxed{9^{9^{9^{9}}}}",
    "factorials": r"\boxed{((10!)!)!}",
    "power": r"\boxed{10^{100000000}}",
    "product": r"\boxed{\prod_{k=1}^{10000000} k}",
    "roots": r"\boxed{" + r"\sqrt{2+" * 60 + "1" + "}" * 60 + "}",
    "braces": r"\boxed{" + "{" * 50_000,
    "parentheses": "(" * 100_000,
    "boxes": r"\boxed{1}" * 20_000,
    "texts": r"\boxed{" + r"\text{" * 8_000 + "}}",
    "equals": r"\boxed{x" + "=" * 49_000 + "y}",
    "spaces": r"\boxed{a" + " " * 49_000 + "b}",
    "answers": "The answer is " * 20_000,
    "digits": r"\boxed{" + "1" * 100_000 + "}",
    "list": r"\boxed{" + ",".join(map(str, range(5_000))) + "}",
    "null": "\\boxed{5\x006}",
    "surrogate": "\\boxed{\ud800x}",
    "unbalanced": r"\boxed{\frac{1}{2}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_verdict_comes(name: str) -> None:
    verdict = verdict_on(HOSTILE[name], "5", "math", None, Options(), seconds=60)
    assert verdict.correct is False
    assert verdict.how not in ("timeout", "crash")


@pytest.mark.parametrize("text", ["9^{9^{9}}", "10^{10^{10}}", "1000000000!", "1e999999999"])
def test_a_tower_equals_itself(text: str) -> None:
    assert compare_answers(text, text, AnswerKind.MATH, Options()) == (True, "string")


def test_nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = [
        "__import__('os').system('touch pwned')",
        "open('pwned','w')",
        "sympify(\"open('pwned','w')\")",
        'eval(chr(111)+\'pen("pwned","w")\')',
        r"\frac{open('pwned','w')}{2}",
        r"\int open('pwned','w') dx",
    ]
    pairs = [pair for text in code for pair in ((text, "5"), ("5", text))]

    async def graded() -> list[Verdict]:
        async with GraderPool(1) as pool:
            jobs = (pool.grade(rf"\boxed{{{answer}}}", gold, "math") for answer, gold in pairs)
            return await asyncio.gather(*jobs)

    for verdict in asyncio.run(graded()):
        assert not verdict.correct
        assert not verdict.correct_paper
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "9^{9^{9}}",
        r"5^{\left(5^5\right)}",
        "5000!",
        "x^{100000}",
        r"\sum_{n=1}^{100000} n",
        "__class__",
        "eval(1)",
    ],
)
def test_kept_from_sympy(text: str) -> None:
    assert not is_safe(text)


def test_what_stands_between_two_boxes_is_read_in_linear_time() -> None:
    """Of processor time a quadratic reading takes seconds, a linear one hundredths."""
    before = time.process_time()
    response = r"\boxed{1}\text{" + " " * 49_000 + r"\boxed{2}"
    assert extract_answer(response, "math500") == "2"
    assert time.process_time() - before < 2
    for words in ("", " ", ",", "and", " or , "):
        assert extract_answer(rf"\boxed{{1}}\text{{{words}}}\boxed{{2}}", "math500") == "1, 2"


def test_a_gold_answer_of_sets_is_read_in_linear_time() -> None:
    before = time.process_time()
    gold = "{" * 1_400 + "," * 1_400
    assert not quick_paper_verdict(r"\boxed{\begin{pmatrix}1\end{pmatrix}}", gold, "math500")
    assert time.process_time() - before < 2


def test_extraction_is_safe_on_anything() -> None:
    assert extract_answer(None, "math") is None  # type: ignore[arg-type]
    assert extract_answer(12, "gsm8k") == "12"  # type: ignore[arg-type]
