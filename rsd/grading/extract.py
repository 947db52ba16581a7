"""Where a response states its answer.

The last balanced box; without one "answer is", then `####`, then the last number or formula.
Everything here takes time linear in the text, of which the last 50,000 characters count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rsd.grading.choices import last_letter, option_of
from rsd.grading.normalize import brace_pairs, fold_unicode, repair, unwrap
from rsd.grading.verdict import AnswerKind

MAX_SCANNED = 50_000
_MAX_BOXES = 24


@dataclass(frozen=True, slots=True)
class Extraction:
    """An answer as it stands in the response, and where: box, answer-is, hash, last, whole."""

    text: str
    source: str


_CHAT_MARKER = re.compile(r"<\|(?:im_start|im_end|endoftext|eot_id)\|>|</s>")
_BOX = re.compile(r"\\f?boxed\s*")
_ANSWER_IS = re.compile(
    r"(?i)\banswers?\b(?:[ \t]+(?:is|are)\b(?:[ \t]*:)?|\**[ \t]*[:=]|(?=\s+(?:\$|\\\(|\\\[)))"
)
_NOT_AN_ANSWER = re.compile(
    r"(?i)[\s*:]*(?:(?:also |not |indeed )*(?:in)?correct|wrong|right\b|consistent|as follows"
    r"|reasonable|in the form|given by\b|the same\b|$)"
)
_HASH = re.compile(r"####[ \t]*([^\n]*)")
_MATH_SPAN = re.compile(
    r"(?<!\\)\$\$(?P<d>(?:[^$\\]|\\.)+)\$\$|(?<!\\)\$(?P<i>(?:[^$\\]|\\.)+)\$"
    r"|\\\((?P<p>.{1,1500}?)\\\)|\\\[(?P<b>.{1,1500}?)\\\]",
    re.DOTALL,
)
_NUMBER = re.compile(
    r"(?<![\d.,^_])(?<![\^_]\{)[-+]?\s?\$?\s?(?:\d{1,3}(?:,\d{3})+(?![\d])|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"(?:\s?/\s?\d+(?:\.\d+)?)?(?:\s?\\?%)?|(?<![\d.])[-+]?\.\d+"
)
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n|(?i:,? ?i hope)")
_BETWEEN_BOXES = re.compile(
    r"(?:[\s,;$&.:]|\\quad|\\qquad|\\\\|\\[()\[\],;]|\\text\s*\{[\s,]*(?:(?:and|or)[\s,]*)?\}|and|or"
    r"|[A-Za-z](?:_\{?\w\}?)?\s*=)*"
)


def extract(
    response: str, kind: AnswerKind = AnswerKind.MATH, choices: tuple[str, ...] = ()
) -> Extraction | None:
    """The answer that `response` states, or None where it states none.

    `choices` are the texts of the options A, B, C ..., where they are known.
    """
    text = repair(_scanned(response))
    boxed = _boxed(text)
    if boxed is not None:
        if not boxed.strip():
            return None
        return (
            _boxed_choice(boxed, choices) if kind is AnswerKind.CHOICE else Extraction(boxed, "box")
        )
    if kind is AnswerKind.CHOICE:
        return _stated_choice(text, choices)
    return _unboxed(text, kind)


def _scanned(response: str) -> str:
    """The part of a response that may hold its answer: not the chat turns after it."""
    text = response[-MAX_SCANNED:]
    if text.startswith(("<|im_start|>assistant", "<|im_start|>system")):
        text = text.split("\n", 1)[-1]
    marker = _CHAT_MARKER.search(text)
    if marker and text[: marker.start()].strip():
        text = text[: marker.start()]
    return text


def _boxed_choice(text: str, choices: tuple[str, ...]) -> Extraction:
    """The letter that a box names. Beside known options, a capital inside prose or a formula is
    none yet: the whole may still be the text or the value of an option."""
    letter = option_of(text, choices) or last_letter(fold_unicode(text), standing=not choices)
    return Extraction(letter or text, "box")


def _stated_choice(text: str, choices: tuple[str, ...]) -> Extraction | None:
    """The letter that a response without a box settles on, or the option whose text it states."""
    stated = _unboxed(text, AnswerKind.CHOICE) if choices else None
    option = option_of(stated.text, choices) if stated else None
    if stated and option and stated.source != "last":
        return Extraction(option, stated.source)
    letter = last_letter(fold_unicode(text)) or option
    return Extraction(letter, "letter") if letter else None


def _boxed(text: str) -> str | None:
    """The content of the last balanced box; neighbouring boxes are joined to a list."""
    found: list[tuple[int, int, str]] = []
    unbalanced: str | None = None
    pairs = brace_pairs(text)
    for match in reversed(list(_BOX.finditer(text))[-_MAX_BOXES:]):
        box = _box_at(text, match, pairs)
        if box is None:
            if unbalanced is None:
                unbalanced = re.split(r"\n|\$", text[match.end() + 1 :], maxsplit=1)[0]
            continue
        end, content = box
        if found and not _BETWEEN_BOXES.fullmatch(text, end, found[-1][0]):
            break
        found.append((match.start(), end, content))
    if not found:
        return unbalanced
    contents = list(dict.fromkeys(content.strip() for _, _, content in reversed(found)))
    return ", ".join(c for c in contents if c)


def _box_at(text: str, match: re.Match[str], pairs: dict[int, int]) -> tuple[int, str] | None:
    """End and content of the box that begins at `match`, or None if it never closes."""
    start = match.end()
    if start >= len(text):
        return None
    if text[start] != "{":
        bare = re.compile(r"[^\s$]+").match(text, start) if match[0][-1:].isspace() else None
        return (bare.end(), bare[0]) if bare else None
    end = pairs.get(start)
    return None if end is None else (end + 1, text[start + 1 : end])


def _unboxed(text: str, kind: AnswerKind) -> Extraction | None:
    stated = None
    for match in _ANSWER_IS.finditer(text):
        if not _NOT_AN_ANSWER.match(text[match.end() : match.end() + 60]):
            stated = match.end()
    if stated is not None:
        value = _stated_value(text[stated : stated + 2_000])
        if value:
            return Extraction(value, "answer-is")
    hashes = _HASH.findall(text)
    if hashes and hashes[-1].strip():
        return Extraction(hashes[-1].strip(), "hash")
    if len(text) <= 120 and not re.search(r"[a-z]{3,} [a-z]{2,}", text) and text.strip():
        return Extraction(text.strip(), "whole")
    return _last(text, kind)


def _stated_value(rest: str) -> str:
    """What follows "the answer is": to the end of its sentence, formulas kept whole."""
    rest = rest.lstrip(" \t*:")
    lead = re.match(r"\s*(?=\$|\\\(|\\\[|\*\*|`)", rest) or re.match(r"\s*", rest)
    if lead:
        rest = rest[lead.end() :]
    position = 0
    while True:
        span = _MATH_SPAN.search(rest, position)
        stop = _SENTENCE_END.search(rest, position)
        if stop is None:
            return _plain(rest)
        if span is None or stop.start() <= span.start():
            return _plain(rest[: stop.start()])
        position = span.end()


def _plain(text: str) -> str:
    return text.replace("**", "").replace("</think>", "").strip(" \t*`")


def _last(text: str, kind: AnswerKind) -> Extraction | None:
    """The last number; or the formula that holds it or follows it."""
    tail = fold_unicode(text[-6_000:])
    number = None
    for match in _NUMBER.finditer(tail):
        number = match
    if kind is not AnswerKind.NUMBER or number is None:
        span = None
        for match in _MATH_SPAN.finditer(tail):
            if any(match.group(g) and match.group(g).strip() for g in "dipb"):
                span = match
        if span is not None and (number is None or number.start() < span.end()):
            return Extraction(unwrap(span[0]), "last")
    if number is None:
        return None
    return Extraction(re.sub(r"[\s$]", "", number[0]), "last")
