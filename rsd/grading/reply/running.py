"""The answer in running text: a bold value, the end of an equation, the last number or formula."""

from __future__ import annotations

import re

from rsd.grading.normalize import fold_unicode, unwrap
from rsd.grading.reply.numbers import last_number, whole_number
from rsd.grading.reply.section import without_talk
from rsd.grading.reply.statements import MATH_SPAN, Extraction, plain
from rsd.grading.values.numerals import MULTIPLIER, NUMBER_WORDS, number_in_words
from rsd.grading.values.phrases import bound, named_set
from rsd.kinds import AnswerKind

_MAX_READ = 6_000
_FENCE = re.compile(r"\s*```\w*\n(.*?)\n?```\s*", re.DOTALL)
_BOLD = re.compile(
    r"\*\*(?=\S)([^*\n]{1,300}?)(?<=\S)\*\*|(?<!\w)__(?=\S)([^_\n]{1,300}?)(?<=\S)__(?!\w)"
)
_CODE = re.compile(r"(?<!`)`([^`\n]{1,200})`(?!`)")
_GIVES_UP = re.compile(
    r"(?i)\bi (?:(?:do not|don['’]?t) know|am not sure"
    r"|(?:cannot|can['’]?t|could not|couldn['’]?t|am unable to)"
    r" (?:solve|determine|answer|finish|find))\b"
)
_LABEL = re.compile(
    r"(?i)^(?:step|part|case|option|question|problem|method|note|day|week|year)s?\b|[:：]$"
)
_CONCLUDES = re.compile(
    r"(?i)\b(?:so|therefore|thus|hence|total|altogether|finally|equals|conclusion|answer|result)\b|="
)
_WORD_END = re.compile(
    r"(?:\bis|\bare|\bwas|\bbe|\bequals|:|=)\s+(?:the |a |"
    r"an )?([A-Z][\w-]*(?: [A-Z][\w-]*){0,3}|\w+)\s*[.!]*\s*$"
)
_YES_NO = re.compile(
    r"(?i)^\W*(?:(?:indeed|certainly|so|well|thus|hence|therefore)[,:]\s)?"
    r"(yes|no|true|false|是的?|否|不是|да|нет|はい|いいえ)(?:[\s,.;:!。，—–*-]|$)"
)
_NUMBER_WORDS = re.compile(
    r"(?i)(?<![\w-])(?:(?:"
    + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
    + r")(?![A-Za-z])[\s-]{0,2}){1,12}"
)


def running(text: str, kind: AnswerKind) -> Extraction | None:
    """The answer of a text that does not introduce one, or None."""
    fence = _FENCE.fullmatch(text)
    text = fence[1] if fence else text
    if kind is AnswerKind.NUMBER:
        text = re.sub(r"(?m)^ {0,3}> ", "", text)  # a quotation, not a sign
    whole = text.strip()
    if _is_bare(whole, kind) or bound(whole):
        bare = whole.removesuffix("!") if kind is AnswerKind.NUMBER else whole
        return Extraction(plain(bare), "whole", len(text))
    text = without_talk(text[-_MAX_READ:])
    marked = _marked(text, kind)
    if marked:
        return Extraction(marked, "bold")
    if _GIVES_UP.search(text):
        return None
    paragraphs = [p for p in re.split(r"\n\s*\n", text) if re.search(r"\w", p)]
    if not paragraphs:
        return None
    words = _words(text, paragraphs[-1], kind)
    if words:
        return Extraction(words, "words")
    value = _predicate(paragraphs[-1], kind) or _last(text, kind)
    return Extraction(value, "last") if value else None


_BARE_WORD = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,}(?![A-Za-z{])")
_MATH_WORDS = frozenset("or and pi sqrt inf infinity sin cos tan log ln exp oo in am pm".split())
_SENTENCE = re.compile(
    r"(?i)\b(?:indeed|certainly|is|are|was|were|has|have|had|we|he|she|it|they|i|so|hence|thus|therefore|sure"
    r"|okay|ok|gets?|costs?|pays?|needs?|left|total|answer|yes|no)\b[,!]?\s|[:：。，∴⇒→#](?!\d\d)|=>|\.\s|[!?]\s"
)


def _is_bare(text: str, kind: AnswerKind) -> bool:
    """Whether a short reply is nothing but its answer: `7 apples`, `x = 3`, `no solution`."""
    if len(text) > 120 or "\n" in text or not re.search(r"\w", text):
        return False
    words = [w for w in _BARE_WORD.findall(text) if w.lower() not in _MATH_WORDS]
    if not re.search(r"\d", text):
        return len(words) <= 4 and (not _SENTENCE.search(text) or text[:3].lower() == "no ")
    if "=" in text and (words or kind is AnswerKind.NUMBER):
        return False
    starts = re.match(r"[-+$€£¥.\d(\[{\\]", text)
    return not _SENTENCE.search(text) and (not words or (bool(starts) and len(words) <= 4))


_COPULA = re.compile(
    r"(?i)(?:\b(?:is|are|was|be|equals|equal to|get|obtain|gives|yields|becomes|have)\b|:(?=\s))\s+"
)


def _predicate(paragraph: str, kind: AnswerKind) -> str | None:
    """The formula, pair, list or equation in which the last sentence ends: "the point is (1, 2)".

    None where the sentence ends in words, in a plain number, or in a formula between signs.
    """
    if kind is AnswerKind.NUMBER or "$" in paragraph or "\\(" in paragraph or "\\[" in paragraph:
        return None
    sentence = re.split(r"(?<=[.!?])\s+|\n", paragraph.strip())[-1].rstrip(" .")
    copulas = list(_COPULA.finditer(sentence))
    if not copulas or len(sentence) > 500:
        return None
    tail = sentence[copulas[-1].end() :].replace("**", "")
    words = [w for w in _BARE_WORD.findall(tail) if w.lower() not in _MATH_WORDS]
    if words or not re.search(r"\d", tail) or not re.search(r"[(\[{=:,/^]|\b(?:and|or)\b", tail):
        return None
    return tail


def _marked(text: str, kind: AnswerKind) -> str | None:
    """The last bold or code span with a value, unless a conclusion follows it."""
    last = None
    for pattern in (_CODE, _BOLD):
        for match in pattern.finditer(text):
            content = next(g for g in match.groups() if g)
            if _LABEL.search(content.strip()):
                continue
            if text[match.end() : match.end() + 1] in (":", "："):
                continue
            if re.search(r"\d|\\[a-z]|\$", content) or number_in_words(content):
                last = (match, content)
    if last is None:
        return None
    match, content = last
    if _CONCLUDES.search(text, match.end()):
        return None
    in_words = re.search(r"[A-Za-z]{3,}|=", re.sub(r"\\[a-z]+", "", content))
    value = (_last(content, kind) if in_words else None) or content
    if re.fullmatch(r"[-+]?\$?[\d.,]+\$?", value.strip()):
        more = re.match(rf"\s(?:{MULTIPLIER})", text[match.end() :])
        value += more[0] if more else ""
    return plain(value)


def _words(text: str, paragraph: str, kind: AnswerKind) -> str | None:
    """Yes or no at the start, or the bold or last word of a conclusion without any number."""
    if kind is not AnswerKind.NUMBER and named_set(paragraph):
        return paragraph.strip()
    start = _YES_NO.match(text)
    if start and kind is not AnswerKind.NUMBER:
        return start[1]
    sentence = re.split(r"(?<=[.!?])\s+|\n", paragraph.strip())[-1]
    if re.search(r"\d|\$|\\", sentence):
        return None
    bold = _BOLD.findall(sentence)
    if bold and kind is AnswerKind.MATH:
        content = "".join(bold[-1]).strip(" .")
        return None if _LABEL.search(content) else content
    if kind is AnswerKind.MATH and len(sentence) < 200:
        match = _WORD_END.search(sentence)
        if match and not re.search(r"\d", text):
            return match[1]
    return _spelled(sentence)


def _spelled(sentence: str) -> str | None:
    """The last number in words of a sentence: `twelve`, `six and a half`; no lone `one` or `a`."""
    for match in reversed(list(_NUMBER_WORDS.finditer(sentence))):
        words = re.sub(r"(?i)^(?:and|a|an)\s+(?=\w)|\s+(?:and|a|an)$", "", match[0].strip(" -"))
        lone = words.lower() in ("one", "a", "an", "and", "half")
        if not lone and number_in_words(words):
            return words
    return None


_FOR_ALL = re.compile(
    r"\b(?:for|where|with)\b"
    r"(?: (?:all|every|any|each|some|real|positive|natural|integers?|numbers?)){1,4} $"
)


def _last(text: str, kind: AnswerKind) -> str | None:
    """The last number with its unit, or the formula that contains or follows it."""
    tail = fold_unicode(text)
    number = last_number(tail)
    if kind is not AnswerKind.NUMBER or number is None:
        span = None
        for match in MATH_SPAN.finditer(tail):
            inside = next((match[g] for g in "dipb" if match[g]), "").strip()
            if inside and not (
                span and len(inside) == 1 and _FOR_ALL.search(tail[: match.start()])
            ):
                span = match
        if span is not None and (number is None or number.start() < span.end()):
            return unwrap(span[0])
    return None if number is None else whole_number(tail, number)
