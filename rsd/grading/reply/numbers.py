"""The number that running text ends on, with its multiplier, its unit, its range or second part."""

from __future__ import annotations

import re

from rsd.grading.values.numerals import MULTIPLIER
from rsd.grading.values.units import is_unit

_MONEY = r"(?:(?:US|C|A)?\\?\$|[€£¥₹])"
_PLAIN = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
NUMBER = re.compile(
    rf"(?<![A-Za-z0-9_.,^/])(?<![\^_]\{{)(?<!\d[-:])[-+]?\s?{_MONEY}?\s?-?"
    rf"(?:{_PLAIN}(?::\d\d(?::\d\d)?(?!\d))?|\.\d+)"
    r"(?:[eE][-+]?\d+(?!\w))?"
    r"(?:\s?(?:and\s)?\\frac\{\d+\}\{\d+\}|(?:\s|-|\sand\s)\d+/\d+(?![\d/])"
    r"|\s?/\s?\d+(?:\.\d+)?(?![\d/]))?"
    r"(?:\s*(?:\\times|\\cdot|\*|x)\s*10\s*(?:\^|\*\*)\s*\{?-?\d+\}?)?"
    r"(?:\s?\^\s?(?:\{-?\d+\}|-?\d+))?(?:\s?\\(?:pi(?![a-z])|surd\s?\d+|sqrt\{[^{}]{1,20}\}))?"
    rf"(?:\s?\\?%|¢|€|£|\s(?:and\sa\shalf\s)?(?:{MULTIPLIER})|[kK](?![A-Za-z]))?"
    r"(?:\s?[ap]\.?\s?m\b\.?|\s?[AP]\.?M\b\.?)?"
)
_RANGE = re.compile(rf"\s?(?:-|--|to|or)\s?{_MONEY}?\s?{_PLAIN}")
_BOUND = re.compile(
    r"\s?\+(?!\s?\d)|\s(?:or|and) (?:more|less|fewer|greater|above|below|over|under)\b"
)
_UNIT = re.compile(
    r"\s?(?:\^\\circ\s?[CF]?|[A-Za-z°Ωµ]+(?:\^\{?-?\d\}?)?(?:\s?/\s?[A-Za-z]+(?:\^\{?\d\}?)?)?)(?!\w)"
)
_PARENTHESIS = re.compile(r"(?<=\s)\([^()\n]{1,200}\)")
_CIRCUMSTANCE = re.compile(
    r"(?i)\b(?:after|because|since|when|if|before|given|once|while|instead of|"
    r"of (?:the|its|their|his|her|these|those|all))\b"
)
_ADJUNCT = re.compile(r"(?i)\b(?:within|using|from|out of|compared (?:to|with)|than)\b")
_MEASURED = re.compile(
    r"(?i)\b(?:has|have|had|needs?|is|are|was|were|takes?|costs?|pays?|earns?|makes?|spends?|saves?|gets?"
    r"|equals|totals?|buys?|will be|comes to)\b"
)


_LARGE_PART = re.compile(
    rf"(?:\\?\$)?{_PLAIN}\s(?:hours?|hrs?|minutes?|dollars?|feet|foot|pounds?|days?)(?:,|\sand|,\sand)?\s$"
)
_SMALL_PART = re.compile(r"\s(?:minutes?|mins?|seconds?|secs?|cents?|inches|ounces)\b")
_RANGE_BEFORE = re.compile(rf"(?<!=)(?<!= ){_MONEY}?\s?{_PLAIN}\s?(?:-|to|or)\s?$")
_EXCEEDED = re.compile(
    r"(?:\b(?:more|less|greater|fewer|larger|smaller|higher|lower) than"
    r"|大于|小于|超过|多于|少于) ?$"
)
_NO_UNIT = ("a", "in", "t", "unit", "people")


def last_number(text: str) -> re.Match[str] | None:
    """The last number of `text`, or an earlier one of its sentence where the last is only a detail:
    84 of "84 apples (7 bags of 12)", 120 of "120 pages after 6 days"."""
    numbers = list(NUMBER.finditer(text))
    if len(numbers) < 2:
        return numbers[-1] if numbers else None
    last = numbers[-1]
    line = text.rfind("\n", 0, last.start()) + 1
    ends = [m.end() for m in re.finditer(r"[.!?]\s", text[line : last.start()])]
    begin = line + (ends[-1] if ends else 0)
    inside = [m for m in numbers if m.start() >= begin]
    brackets = [(m.start() + begin, m.end() + begin) for m in _PARENTHESIS.finditer(text[begin:])]
    outside = [m for m in inside if not any(a <= m.start() < b for a, b in brackets)]
    if outside and text[outside[-1].end() : last.start()].count("(") == 1:
        inside = outside
    if len(inside) > 1 and _is_circumstance(text, begin, inside[-2], inside[-1]):
        return inside[-2]
    return inside[-1]


def _is_circumstance(text: str, begin: int, first: re.Match[str], second: re.Match[str]) -> bool:
    """Whether `second` only tells when, of what or from what `first` is the amount."""
    between = text[first.end() : second.start()]
    if "=" in between + text[second.end() : second.end() + 40]:
        return False
    if re.search(r"[,;:]|\b(?:is|are|was|equals|left|remain)\b", between):
        return False
    if _CIRCUMSTANCE.search(between):
        return True
    return bool(_ADJUNCT.search(between) and _MEASURED.search(text[begin : first.start()]))


def whole_number(text: str, match: re.Match[str]) -> str:
    """The number of `match` with its range, its other part or its unit, as far as known."""
    end = match.end()
    before = text[max(0, match.start() - 40) : match.start()]
    onwards = _RANGE.match(text, end) or _BOUND.match(text, end)
    if onwards:
        return text[match.start() : onwards.end()].strip()
    large, small = _LARGE_PART.search(before), _SMALL_PART.match(text, end)
    if large and small:
        return (large[0] + match[0] + small[0]).strip()
    ranged = _RANGE_BEFORE.search(before) or _EXCEEDED.search(before)
    if ranged:
        return (ranged[0] + match[0]).strip()
    number = re.sub(r"^([-+]?)\s+", r"\1", match[0]).strip()
    unit = _UNIT.match(text, end)
    if unit and is_unit(unit[0].strip()) and unit[0].strip().lower() not in _NO_UNIT:
        return f"{number} {unit[0].strip()}"
    return number
