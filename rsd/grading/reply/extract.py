"""Finds the answer of a response: its last box, else an introduced answer, else how its text ends.

Denied values are no answers, and corrections replace what they correct. Everything here takes time
linear in the text, of which the last 50,000 characters count.
"""

from __future__ import annotations

import re

from rsd.grading.normalize import repair
from rsd.grading.reply.boxes import boxed
from rsd.grading.reply.denied import correction, withdraws, without_denied
from rsd.grading.reply.letters import chosen
from rsd.grading.reply.running import running
from rsd.grading.reply.section import MAX_SCANNED, answer_section
from rsd.grading.reply.statements import Extraction, stated
from rsd.grading.values.phrases import in_order
from rsd.kinds import AnswerKind

__all__ = ["MAX_SCANNED", "Extraction", "extract"]

_EMPTY_BOX = re.compile(r"\\f?boxed\s*\{\s*\}")
_PART = re.compile(
    r"(?m)^[ \t*]{0,4}(?:\(?(?P<label>[a-d]|i{1,3})\)"
    r"|Part \(?(?P<named>[a-dA-D1-4])\)?)[*:.)]{0,4}\s"
)
_SHORT_CORRECTION = 300  # characters in which a value without a cue may replace a boxed one


def extract(
    response: str, kind: AnswerKind = AnswerKind.MATH, choices: tuple[str, ...] = ()
) -> Extraction | None:
    """The answer that `response` states, or None where it states none.

    `choices` are the texts of the options A, B, C ..., where they are known.
    """
    section = answer_section(response)
    text = repair(section.text)
    box = boxed(text)
    if box is not None and not box.text.strip():
        text, box = _EMPTY_BOX.sub(" ", text), None
    if box is not None and re.fullmatch(r"\S{1,20}", box.text) and _is_denied(text, box.end):
        text = without_denied(text)
        box = boxed(text)
    if section.unfinished:
        found = box
    elif kind is AnswerKind.CHOICE:
        found = chosen(text, box, choices)
    else:
        found = _value(text, box, kind)
    return found if found and found.text.strip() else None


def _is_denied(text: str, end: int) -> bool:
    """Whether the reply denies the value of the box that ends at `end`: "not 5", "5 is wrong"."""
    begin = max(0, end - 200)
    window = without_denied(text[begin : end + 100])
    start = text.rfind("boxed", begin, end) - begin
    return window[start : start + 1] == window[end - begin - 1 : end - begin] == " "


def _value(text: str, box: Extraction | None, kind: AnswerKind) -> Extraction | None:
    if box is not None:
        later = correction(text, box.end)
        return (_corrected(later, kind, box) if later else None) or box
    text = without_denied(text)
    said = stated(text)
    if said is None:
        return (None if kind is AnswerKind.NUMBER else _in_parts(text, kind)) or running(text, kind)
    later = correction(text, said.end)
    if later is None:
        return said
    return _corrected(later, kind, said) or (None if withdraws(text, said.end) else said)


def _in_parts(text: str, kind: AnswerKind) -> Extraction | None:
    """The values of the parts (a), (b) ... that begin the lines of a reply, or None."""
    labels = list(_PART.finditer(text))
    names = [m["label"] or m["named"].lower() for m in labels]
    if not 2 <= len(names) <= 4 or not in_order(names):
        return None
    ends = [m.start() for m in labels[1:]] + [len(text)]
    values = [running(text[m.end() : end], kind) for m, end in zip(labels, ends, strict=True)]
    if not all(values):
        return None
    joined = " ".join(f"({c}) {v.text}" for c, v in zip("abcd", values, strict=False) if v)
    return Extraction(joined, "last")


def _corrected(later: str, kind: AnswerKind, first: Extraction) -> Extraction | None:
    """The answer of a correction, or None where it gives no other value."""
    later = without_denied(later)
    said = stated(later)
    if said is None and (first.source != "box" or len(later) <= _SHORT_CORRECTION):
        said = running(later, kind)
    return said
