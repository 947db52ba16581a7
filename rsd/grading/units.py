"""Units of measure, as far as grading needs them: when two of them are the same."""

from __future__ import annotations

import re

_SYNONYMS = {
    "percent": "% pct percentage percentages \\%",
    "dollar": "$ usd us",
    "cent": "¢",
    "degree": "deg ° circ",
    "radian": "rad",
    "mm": "millimeter millimetre",
    "cm": "centimeter centimetre",
    "m": "meter metre",
    "km": "kilometer kilometre",
    "in": "inch inche",
    "ft": "foot feet",
    "yd": "yard",
    "mi": "mile",
    "mph": "mileperhour mi/h mile/hour mi/hr mile/hr",
    "km/h": "kmperhour kilometerperhour kmph km/hr km/hour kph",
    "m/s": "meterpersecond mpersecond m/sec metrepersecond",
    "mg": "milligram",
    "g": "gram gm",
    "kg": "kilogram",
    "lb": "pound",
    "oz": "ounce",
    "ml": "milliliter millilitre",
    "l": "liter litre",
    "s": "second sec",
    "min": "minute",
    "h": "hour hr",
    "n": "newton",
    "j": "joule",
    "w": "watt",
    "v": "volt",
}
_KEY = {word: unit for unit, words in _SYNONYMS.items() for word in words.split()}
_NOTHING = frozenset({"", "unit", "th", "st", "nd", "rd", "total", "altogether"})
_POWER = (("square", "2"), ("sq", "2"), ("cubic", "3"), ("cu", "3"))


def unit_key(words: str) -> str:
    """A key under which spellings of one unit meet: `cm ^ 2`, `square cm`, `sq. centimeters`."""
    low = words.lower().replace("~", " ").strip(" .,()")
    low = re.sub(r"\b(?:u\.?s\.?|the|of|a|an|about)\b", " ", low)
    power = ""
    for name, degree in _POWER:
        match = re.match(rf"{name}\.?\s+", low)
        if match:
            low, power = low[match.end() :], degree
    match = re.search(r"\s*(?:\^|\*\*)\s*\{?\s*([23])\s*\}?\s*$", low)
    if match:
        low, power = low[: match.start()], match[1]
    for name, degree in (("squared", "2"), ("cubed", "3")):
        if low.endswith(" " + name):
            low, power = low[: -len(name) - 1], degree
    parts = [_singular(part) for part in re.findall(r"[a-z%$¢°]+|/", low)]
    key = _KEY.get("".join(parts), "".join(_KEY.get(p, p) for p in parts))
    return "" if key in _NOTHING else key + power


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word


def same_unit(a: str, b: str) -> bool:
    """Whether two units agree; a missing one agrees with any."""
    first, second = unit_key(a), unit_key(b)
    return not first or not second or first == second
