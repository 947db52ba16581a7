"""From the text of an answer to trees: the ways in which it can be read."""

from __future__ import annotations

import re
from itertools import chain, pairwise

from rsd.grading.formula.parser import parse
from rsd.grading.formula.tokens import CannotParse
from rsd.grading.formula.tree import Node
from rsd.grading.normalize import MAX_ANSWER, closing_brace, fold_unicode, unwrap
from rsd.grading.values import spellings
from rsd.grading.values.phrases import without_lead

_DOUBLE_ESCAPE = re.compile(r"\\\\(?=[a-zA-Z({\[)}\],])")
_APPROXIMATELY = re.compile(
    r"\s*[,(]?\s*(?:\\text\s*\{)?\s*\(?\s*(?:or |which is |i\.e\. )?"
    r"(?<![\\a-z])(?:approximately|approx\b\.?|about|roughly)(?![a-z]).*$",
    re.DOTALL | re.IGNORECASE,
)
_THIN_GROUPS = re.compile(r"(?<=\d)(?:\{,\}(?:\\!)?|,?\\!,?|\\,|,\\ )\s*(?=\d{3}(?!\d))")
_SPACE_GROUPS = re.compile(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?")
_COMMA_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
_DECIMAL_COMMA = re.compile(r"([-+]?)(?:(0),(\d+)|(\d+),(\d\d?|\d{4,}))")
_MERIDIEM = re.compile(r"(?i)(?<=\d)((?:\s|~|\\[,;: ])*)([ap])\.\s?m\b\.?")
_UNION = re.compile(r"(?<=[)\]])\s*[Uu]\s*(?=[(\[]|\\left)")
_WHOLE_PARAMETER = re.compile(
    r"(?<=\S)\s*[,(;]?\s*(?:(?:where|for|with)\s+)?[a-z]\s*\\in\s*\\mathbb\s*\{?\s*[ZN]\s*\}?\)?$"
)
_SEGMENT = re.compile(r"\$\$?([^$]+)\$\$?")
_JOIN = re.compile(r"(?:\s|,|;|\.|and|or|&|\\\\|\\q?quad)*")


def readings(text: str) -> list[Node]:
    """Trees of `text`, the likeliest first; empty if it is no mathematics."""
    if len(text) > MAX_ANSWER:
        return []
    nodes: list[Node] = []
    for spelling in chain.from_iterable(map(_grouped, spellings(fold_unicode(text)))):
        try:
            node = parse(spelling)
        except (CannotParse, RecursionError, ValueError, ZeroDivisionError):
            continue
        if node not in nodes:
            nodes.append(node)
    return nodes


def _grouped(text: str) -> list[str]:
    """Spellings of `text` with its commas between thousands, between items, or as a point."""
    text = tidy(text)
    if _COMMA_GROUPS.search(text):
        grouped = _COMMA_GROUPS.sub(lambda m: m[0].replace(",", ""), text)
        bracketed = re.search(r"[(\[]|\\\{", text)
        ways = [text, grouped] if bracketed else [grouped, text]
    else:
        ways = [text]
    if _DECIMAL_COMMA.fullmatch(text):
        ways.append(text.replace(",", "."))
    return ways


def tidy(text: str) -> str:
    """`text` with what is no part of the answer removed, ready for the parser."""
    text = fold_unicode(text)
    text = _delimiters(text.strip())
    if r"\begin" not in text:
        text = _DOUBLE_ESCAPE.sub(lambda _: "\\", text)
        text = _lines(text)
    text = _balanced(unwrap(text))
    text = without_lead(text)
    match = _APPROXIMATELY.search(text)
    if match and text[: match.start()].strip() and not _PLAIN_WORD.search(text[: match.start()]):
        text = text[: match.start()]
    text = unwrap(text)
    text = _THIN_GROUPS.sub("", text)
    if _SPACE_GROUPS.fullmatch(text):
        text = text.replace(" ", "")
    text = _WHOLE_PARAMETER.sub("", text)
    text = _MERIDIEM.sub(lambda m: f"{m[1]}{m[2].lower()}m", text)
    return _UNION.sub(r" \\cup ", text)


def _delimiters(text: str) -> str:
    """Join `$...$` parts to a list; drop other math delimiters; keep `\\$`, a currency."""
    text = re.sub(r"(?<!\\)\\[()\[\]]", "$", text)
    text = text.replace(r"\$", "\0")
    segments = list(_SEGMENT.finditer(text))
    if len(segments) > 1:
        gaps = [text[a.end() : b.start()] for a, b in pairwise(segments)]
        outside = text[: segments[0].start()] + text[segments[-1].end() :]
        if all(_JOIN.fullmatch(gap) for gap in gaps) and not outside.strip(" .,;"):
            text = ", ".join(segment[1].strip(" ,;.") for segment in segments)
    if text.count("$") == 1 and re.match(r"\$\s?[\d.]", text):
        text = text.replace("$", "\0")
    return text.replace("$", " ").replace("\0", r"\$").strip()


def _lines(text: str) -> str:
    """One answer a line is a list."""
    lines = [line.strip(" ,;") for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) < 2 or any(line[-1:] in "=+-*/({[&\\" for line in lines):
        return " ".join(lines)
    return ", ".join(lines)


def _balanced(text: str) -> str:
    """`text` without closing braces that nothing opened."""
    out, depth, i = [], 0, 0
    while i < len(text):
        char = text[i]
        if char == "\\" and i + 1 < len(text):
            out.append(text[i : i + 2])
            i += 2
            continue
        depth += (char == "{") - (char == "}")
        if depth < 0:
            depth = 0
        else:
            out.append(char)
        i += 1
    return "".join(out)


_PLAIN_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,}(?![A-Za-z}(])")
_NEGATION = re.compile(r"(?i)\s*not\b(?!.*\b(?:it's|but|is)\b)")
_GLUE = frozenset(
    "the is are a an of to that which it it's be at least there has have will can would in on "
    "not so we get since for by from value therefore thus answer total does did was were".split()
)
_TAIL = re.compile(
    r".*(?:\b(?:is|are|was|equals|be|to|exactly|therefore|thus|least|most)\b|[:=])\s*", re.DOTALL
)
_LAST_NUMBER = re.compile(
    r"(?<![\w.,^])(?<!\^\{)[-+]?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?"
)


def answer_in_prose(text: str) -> str | None:
    """The answer inside a sentence that somebody put into the box, or None if it is no sentence."""
    text = fold_unicode(text).replace("$", " ")
    text = re.sub(r"\\text\s*\{([^{}]*)\}|\\[()\[\]]", r" \1 ", text)
    if _NEGATION.match(text):
        return None
    words = [w.lower() for w in _PLAIN_WORD.findall(text)]
    if len(words) < 3 or (len(words) < 5 and not _GLUE.intersection(words)):
        return None
    match = _TAIL.match(text.rstrip(" .=:"))
    tail = text[match.end() :].strip(" .=:") if match else ""
    plain = [w for w in _PLAIN_WORD.findall(tail) if len(w) > 1]
    if tail and len(plain) <= 3 and re.search(r"\d|\\[a-z]|\(", tail):
        return tail
    numbers = _LAST_NUMBER.findall(text)
    if (
        len(numbers) > 1
        and not tail
        and re.search(rf"\d[^\d=]{{0,60}}\band\b[^\d=]{{0,60}}{re.escape(numbers[-1])}", text)
    ):
        return None  # two amounts
    return numbers[-1] if numbers else (tail or None)


_SIGNS = ("<", ">", "=", "+", "-")  # answers of their own


def is_broken(gold: str) -> bool:
    """Whether a gold answer is empty, or breaks off inside a group."""
    if gold.strip().strip("$") in _SIGNS:
        return False
    bare = unwrap(gold)
    if not re.search(r"[\w\\%$]", bare) or re.fullmatch(
        r"\\(?:text|boxed|mathrm|mbox)\s*\{?\s*\}?", bare
    ):
        return True
    start = bare.find("{")
    return start >= 0 and bare[:start].endswith("\\frac") and closing_brace(bare, start) < 0
