"""Numbers in words and with multipliers: `twenty-one`, `3 dozen`, `70k`, `三十六`."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from rsd.grading.normalize import unstyled

_ONES = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
_SCALES = {
    "hundred": 100,
    "thousand": 1_000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_COUNTS = {"dozen": 12, "score": 20, "gross": 144}
_SHORT = {"k": 1_000, "K": 1_000, "M": 10**6, "mn": 10**6, "bn": 10**9, "B": 10**9}
_EAST = {"十": 10, "百": 100, "千": 1_000, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_RUSSIAN = {"тысяч": 1_000, "тыс": 1_000, "миллион": 10**6, "млн": 10**6, "миллиард": 10**9}
_MULTIPLIERS = _SCALES | _COUNTS | _EAST | _RUSSIAN
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4,
    "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7,
    "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip
NUMBER_WORDS = frozenset(
    {*_ONES, *_TENS, *_SCALES, *_PARTS, "dozen", "score", "and", "a", "an", "minus", "negative"}
)
_EAST_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_EAST_RUN = re.compile("[" + "".join(_EAST_DIGITS) + "十百千万萬亿億]+")

MULTIPLIER = (
    r"(?:hundred|thousand|million|billion|trillion|dozen|score|gross)s?(?![A-Za-z])"
    r"|(?:тыс(?:яч[аи]?)?|миллион(?:а|ов)?|млн|миллиард(?:а|ов)?)(?!\w)\.?|[万萬亿億](?!\w{0,1}\d)"
)
_MULTIPLIED = re.compile(
    r"(?P<number>(?<![\w.,^])\d[\d,]*(?:\.\d+)?)(?P<half>\s+and\s+a\s+half|\s*\\frac\{1\}\{2\})?"
    r"(?:\s|\\[, ]|~|\\(?:text|mathrm)\s*\{\s*|-)*"
    rf"(?P<scale>{MULTIPLIER})(?:\s*\}})?"
)
_SUFFIXED = re.compile(r"(?P<lead>[$€£]?)\s?(?P<number>\d[\d,]*(?:\.\d+)?)(?P<scale>k|K|M|mn|bn|B)")

_TIMES_TEN = re.compile(r"(?<=\d)\s?[xX]\s?10\s?\^\s?\{?(-?\d+)\}?")


def with_multipliers(text: str) -> str:
    """`text` with `3 million` as 3000000, `3 dozen` as 36, and a whole `70k` as 70000."""
    text = _TIMES_TEN.sub(r" \\times 10^{\1}", text)
    suffixed = _SUFFIXED.fullmatch(
        re.sub(r"\\text\s*\{\s*(\w+)\s*\}", r"\1", text).strip().replace("\\$", "$")
    )
    if suffixed and (suffixed["scale"] in ("k", "K", "mn", "bn") or suffixed["lead"]):
        product = _digits(suffixed["number"], _SHORT[suffixed["scale"]])
        return (r"\$" if suffixed["lead"] == "$" else suffixed["lead"]) + product
    return _MULTIPLIED.sub(_multiplied, text)


def _multiplied(match: re.Match[str]) -> str:
    name = match["scale"].rstrip(".")
    factor = next((f for word, f in _MULTIPLIERS.items() if name.startswith(word)), 1)
    extra = factor // 2 if match["half"] else 0
    opened = match[0].count("{") - (match["half"] or "").count("{")
    closed = match[0].count("}") - (match["half"] or "").count("}")
    return _digits(match["number"], factor, extra) + (r"\text{" if opened > closed else " ")


def _digits(number: str, factor: int, extra: int = 0) -> str:
    if len(number) > 30:
        return number
    value = Decimal(number.replace(",", "")) * factor + extra
    return f"{value.normalize():f}"


def number_in_words(text: str) -> str | None:
    """The digits of a text that is a number in words and at most one noun, or None.

    `twelve`, `twenty-one apples`, `one hundred and five`, `two thirds`, `three and a half`.
    """
    if len(text) > 120:
        return None
    if _EAST_RUN.fullmatch(text.strip()):
        return _eastern(text.strip())
    flat = unstyled(text)
    words = re.findall(r"[a-z]+", flat.lower())
    rest = re.sub(r"[A-Za-z\s\-,.]", "", flat)
    if rest or not words or words in (["a"], ["an"]):
        return None
    count = 0
    while count < len(words) and words[count] in NUMBER_WORDS:
        count += 1
    if not count or len(words) - count > 2 or words[count - 1] == "and":
        return None
    if any(word in NUMBER_WORDS for word in words[count:]):
        return None
    value = value_of_words(words[:count])
    return None if value is None else str(value)


def value_of_words(words: list[str]) -> Fraction | None:
    """The number that English number words name, or None where they name none."""
    negative = bool(words) and words[0] in ("minus", "negative")
    words = words[negative:]
    if words[:2] in (["half", "a"], ["half", "an"]) and len(words) > 2:
        doubled = value_of_words(words[1:])
        return None if doubled is None else doubled / 2
    below = _PARTS.get(words[-1]) if words else None
    part = Fraction(0)
    if below:
        words = words[:-1]
        split = len(words) - 1 - words[::-1].index("and") if "and" in words else -1
        above = _whole([w for w in words[split + 1 :] if w not in ("a", "an")] or ["one"])
        if above is None:
            return None
        part = Fraction(above, below)
        words = words[: max(split, 0)]
        if not words:
            return -part if negative else part
    whole = _whole([w for w in words if w != "and"])
    if whole is None:
        return None
    return -(whole + part) if negative else whole + part


def _whole(words: list[str]) -> int | None:
    total, group, ones = 0, 0, False
    for word in words:
        if word in ("a", "an"):
            if group or total:
                return None
            group = 1
        elif word in _ONES:
            if ones:
                return None
            group, ones = group + _ONES[word], True
        elif word in _TENS:
            if ones:
                return None
            group += _TENS[word]
        elif word == "hundred":
            group, ones = max(group, 1) * 100, False
        elif word in _SCALES:
            total, group, ones = total + max(group, 1) * _SCALES[word], 0, False
        elif word in _COUNTS:
            group, ones = max(group, 1) * _COUNTS[word], True
        else:
            return None
    return total + group if words else None


def _eastern(run: str) -> str | None:
    """The digits of a number in Chinese or Japanese numerals."""
    if all(c in _EAST_DIGITS for c in run):
        return "".join(str(_EAST_DIGITS[c]) for c in run)
    total = section = digit = 0
    for char in run:
        if char in _EAST_DIGITS:
            digit = _EAST_DIGITS[char]
        elif _EAST[char] >= 10**4:
            total, section, digit = total + max(section + digit, 1) * _EAST[char], 0, 0
        else:
            section, digit = section + max(digit, 1) * _EAST[char], 0
    return str(total + section + digit)
