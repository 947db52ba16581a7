"""The default verdict: strings first, then formulas, then math-verify. For worker processes."""

from __future__ import annotations

import re

from rsd.grading.compare.quick import compare_quickly
from rsd.grading.compare.symbolic import math_verify_says
from rsd.grading.compare.trees import same
from rsd.grading.formula.tree import Call, Matrix, Node, Quantity, Rel, Seq
from rsd.grading.normalize import fold_unicode
from rsd.grading.values import without_condition
from rsd.grading.values.choices import LETTERS, gold_letter, last_letter
from rsd.grading.values.readings import answer_in_prose, readings, tidy
from rsd.grading.verdict import Options
from rsd.kinds import AnswerKind


def compare_answers(answer: str, gold: str, kind: AnswerKind, options: Options) -> tuple[bool, str]:
    """Whether `answer` equals `gold`, and the rule that decided."""
    verdict = compare_quickly(answer, gold, kind, options)
    if verdict is None and kind is AnswerKind.CHOICE and options.choices:
        wanted = gold_letter(gold) or _chosen(gold, options)
        if wanted is not None:
            return _chosen(answer, options) == wanted, "choice"
    # Of a gold answer that is a sentence itself, no part may stand for the whole.
    inner = None if answer_in_prose(gold) else answer_in_prose(answer)
    if verdict is not None and (verdict[0] or inner is None):
        return verdict
    if kind is AnswerKind.TEXT and inner is not None:
        return compare_quickly(inner, gold, kind, options) or (False, "text")
    right, rule = _by_rules(answer, gold, options)
    if right:
        return True, rule
    if inner is not None and inner != answer:
        verdict = compare_quickly(inner, gold, kind, options) or _by_rules(inner, gold, options)
        return verdict[0], "prose-" + verdict[1]
    return False, rule


def _chosen(answer: str, options: Options) -> str | None:
    """The option whose value `answer` has, if it is one alone; else a letter inside `answer`."""
    hits = []
    for letter, choice in zip(LETTERS, options.choices, strict=False):
        verdict = compare_quickly(answer, choice, AnswerKind.MATH, options)
        if verdict is None:
            verdict = _by_trees(answer, choice, options)[:2]
        if verdict[0]:
            hits.append(letter)
    return hits[0] if len(hits) == 1 else last_letter(fold_unicode(answer))


def _by_rules(answer: str, gold: str, options: Options) -> tuple[bool, str]:
    right, rule, unread = _by_trees(answer, gold, options)
    # Of two equations math-verify compares the last sides alone.
    equations = "=" in answer and "=" in gold
    if not right and not equations and any("\\" in text for text in unread):
        given, wanted = tidy(answer), tidy(gold)
        if _is_latex(given) and _is_latex(wanted):
            opinion = math_verify_says(given, wanted)
            if opinion is not None:
                return opinion, "math-verify"
    return right, rule


def _by_trees(answer: str, gold: str, options: Options) -> tuple[bool, str, list[str]]:
    """The verdict of the parser's trees, its rule, and the texts that the parser cannot read."""
    bare_answer, bare_gold = without_condition(answer), without_condition(gold)
    if (bare_answer == answer) != (bare_gold == gold):  # of two conditions both count
        answer, gold = bare_answer, bare_gold
    answers, golds = readings(answer), readings(gold)
    rule = "text"
    for target in golds:
        for tree in answers:
            rule = _name(target, tree)
            if same(tree, target, options):
                return True, rule, []
    return False, rule, [t for t, trees in ((answer, answers), (gold, golds)) if not trees]


_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")


def _is_latex(text: str) -> bool:
    """Whether math-verify could make sense of `text`: balanced, no prose, no matrices."""
    if (
        r"\begin" in text
        or text.count("{") != text.count("}")
        or text.count("(") != text.count(")")
    ):
        return False
    return not _WORD.search(
        re.sub(r"\\(?:text|mathrm|operatorname|begin|end)\s*\{[^{}]*\}", "", text)
    )


def _name(gold: Node, answer: Node) -> str:
    for node in (gold, answer):
        match node:
            case Rel(ops):
                return "equation" if "=" in ops else "inequality"
            case Seq("" | "{}"):
                return "list"
            case Seq():
                return "tuple"
            case Matrix():
                return "matrix"
            case Call("cup" | "cap" | "setminus"):
                return "set"
    if isinstance(gold, Quantity) or isinstance(answer, Quantity):
        return "quantity"
    return "expression"
