"""Money, units, and measures of several parts: `€40`, `500 nm`, `5 hours 30 minutes`, `12个`."""

from __future__ import annotations

import re
from fractions import Fraction

from rsd.grading.normalize import unstyled
from rsd.grading.values.units import conversion, is_unit, spelled_out

_SPACING = re.compile(r"\\[,;: ]|~|\\q?quad(?![a-zA-Z])")
_PLAIN = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_POWER_OF_TEN = r"(?:\s*(?:\\times|\\cdot|\*|x)\s*10\s*(?:\^|\*\*)\s*\{?-?\d+\}?)?"
_NUMBER = rf"[-+]?\s?(?:{_PLAIN}(?:\s*/\s*\d+)?|\.\d+|\\frac\s?\{{\d+\}}\{{\d+\}}){_POWER_OF_TEN}"

# Currencies, by the names that `units` knows; "$" stays a sign of the formula parser.
_SIGNS = {"€": "euro", "£": "gbp", "¥": "yen", "₹": "rupee", "￥": "yen", "元": "yuan"}
_COMMANDS = {r"\pounds": "£", r"\euro": "€", r"\texteuro": "€", r"\yen": "¥", r"\cent": "¢",
             r"\textcent": "¢", r"\textsterling": "£", r"\textdollar": r"\$"}  # fmt: skip
_PREFIXED = re.compile(
    rf"(?P<sign>[-−]?)\s?(?P<money>[€£¥₹￥]|Rs\.?|EUR|GBP|INR|CNY|RMB)\s?(?P<number>-?{_PLAIN})"
)
_DOLLARS = re.compile(
    r"(?P<sign>[-−]?)\s?(?:(?:USD?|A|C|CA|AU)\s?(?:\\\$|\$)|USD)\s?(?P<number>-?[\d.])"
)
_CODES = {"Rs": "rupee", "EUR": "euro", "GBP": "gbp", "INR": "rupee", "CNY": "yuan", "RMB": "yuan"}

# Measures of several parts, each from the larger to the smaller unit.
_CHAINS = (
    ("week", "day", "h", "min", "s"), ("year", "month"), ("mi", "yd", "ft", "in"),
    ("km", "m", "dm", "cm", "mm"), ("ton", "kg", "g", "mg"), ("lb", "oz"), ("l", "dl", "ml"),
    ("dollar", "cent"),
)  # fmt: skip
_PAIR = re.compile(
    rf"\s*(?:,|and\s|&)?\s*(?:and\s)?\s*(?P<money>\\?\$)?\s*(?P<number>{_PLAIN}(?:\s\d+/\d+)?)\s*-?"
    r"(?P<unit>[A-Za-z¢]+|'|''|\"|″|′)?\.?"
)
_MARKS = {"'": "ft", "′": "ft", "''": "in", '"': "in", "″": "in"}
_ALIASES = {"hour": "h", "m": "min", "d": "day", "yr": "year", "wk": "week"}

# Words after a number in Chinese, Japanese, Korean, Russian; any other one only counts things.
_EASTERN_UNITS = {
    "平方厘米": "cm cm", "平方米": "m m", "立方厘米": "cm cm cm", "立方米": "m m m", "厘米": "cm",
    "毫米": "mm", "千米": "km", "公里": "km", "米": "m", "千克": "kg", "公斤": "kg", "克": "g",
    "小时": "h", "時間": "h", "分钟": "min", "分": "min", "秒": "s", "天": "day", "美元": "dollar",
    "元": "yuan", "円": "yen", "度": "degree", "毫升": "ml", "升": "l", "см": "cm", "км": "km",
    "кг": "kg", "мм": "mm", "м": "m", "г": "g", "часов": "h", "часа": "h", "час": "h",
    "минут": "min", "минуты": "min", "рублей": "rouble", "долларов": "dollar", "см²": "cm cm",
}  # fmt: skip
_COUNTED = re.compile(
    rf"(?P<number>{_NUMBER})\s*(?P<word>[\u0400-\u04ff]+\.?|[\u3040-\u30ff\u3400-\u9fff]{{1,6}}"
    r"|[\uac00-\ud7a3]{1,3})"
)


def _flat(text: str) -> str:
    """`text` without styles, with plain spaces."""
    return _SPACING.sub(" ", unstyled(text)).strip(" .")


def counted(text: str) -> str:
    """`12个` as 12, `3米` as `3 m`: a number with the measure word of another script."""
    if text.isascii():
        return text
    match = _COUNTED.fullmatch(_flat(text))
    if not match:
        return text
    unit = _EASTERN_UNITS.get(match["word"], "")
    return f"{match['number']} \\text{{{unit}}}" if unit else match["number"]


def with_money(text: str) -> str:
    """`text` with every currency as the dollar sign or the unit that the parser reads."""
    for command, sign in _COMMANDS.items():
        if command in text:
            text = re.sub(re.escape(command) + r"(?![a-zA-Z])", sign.replace("\\", r"\\"), text)
    flat = _flat(text.replace(r"\text{\$}", r"\$"))
    match = _PREFIXED.fullmatch(flat)
    if match:
        unit = _SIGNS.get(match["money"]) or _CODES[match["money"].rstrip(".")]
        return f"{match['sign']}{match['number']} \\text{{{unit}}}"
    if _DOLLARS.match(flat):
        return _DOLLARS.sub(lambda m: f"{m['sign']}\\${m['number']}", flat, count=1)
    return text


def with_unit(text: str) -> str:
    """`text`, a number and a known unit, with the unit as words: `500\\,\\mathrm{nm}`, `25°C`."""
    text = re.sub(
        r"(?:\^\s*\{?\s*\\circ\s*\}?|\\degree|°)(?:\s|\\[,; ]|~)*(?:\\(?:text|mathrm|"
        r"rm)\s*\{?\s*)?([CF])"
        r"(?![A-Za-z])\s*\}?",
        lambda m: r"\text{celsius}" if m[1] == "C" else r"\text{fahrenheit}",
        re.sub(r"\\(?:text|mathrm)\s*\{\s*(\^\\circ\s*[CF])\s*\}", r"\1", text),
    )
    flat = _flat(text)
    match = re.match(_NUMBER, flat)
    if not match:
        return text
    rest = flat[match.end() :]
    after_space = rest[:1] in " ¢€£¥%" or len(rest) > 1 or not rest.isalpha()
    if not rest.strip() or not after_space or not re.match(r"\s*/?\s*[A-Za-z¢€£¥₹Ωµμ(\\]", rest):
        return text
    if re.fullmatch(r"(?i)\s*[ap]\.?\s?m\.?", rest):
        return text  # a time of day
    unit = rest.strip().removeprefix("(").removesuffix(")")
    if not is_unit(unit) or (len(rest) == 2 and rest[0] != " "):
        return text if rest[:1] != "¢" else f"{match[0]} \\text{{cent}}"
    return f"{match[0]} \\text{{ {spelled_out(unit)}}}".replace("{ /", "{ per ")


def cents_in_dollars(text: str) -> list[str]:
    """`50 cents` as half a dollar, too; [] for anything else."""
    match = re.fullmatch(r"(\d+) ?\\text\{ ?cent\}", text)
    return [f"{Fraction(int(match[1][:12]), 100)} \\text{{ dollar}}"] if match else []


def compound(text: str) -> list[str]:
    """The value of a measure of several parts, in its largest and in its smallest unit.

    `5 hours 30 minutes` is 5.5 h and 330 min, `$5 and 25 cents` is $5.25; [] for anything else.
    """
    flat = _flat(text).lower()
    if len(flat) > 100 or (not flat[:1].isdigit() and flat[:1] not in "\\$"):
        return []
    values: list[Fraction] = []
    units: list[str] = []
    at = 0
    while at < len(flat):
        match = _PAIR.match(flat, at)
        if not match or match.end() == at or not (match["unit"] or match["money"]):
            return []
        at = match.end()
        whole, _, part = match["number"].replace(",", "").partition(" ")
        values.append(Fraction(whole) + (Fraction(part) if part and part[-1] != "0" else 0))
        units.append(_known(match["unit"]) if match["unit"] else "dollar")
    return _in_ends(values, units)


def _in_ends(values: list[Fraction], units: list[str]) -> list[str]:
    """The sum of `values`, which stand in `units`, in the first unit and in the last one."""
    for chain in _CHAINS:
        chained = [{"min": "m"}.get(u, u) if "dm" in chain else u for u in units]
        places = [chain.index(unit) for unit in chained if unit in chain]
        if len(units) < 2 or len(places) < len(units) or places != sorted(set(places)):
            continue
        spelled = []
        for unit in (chained[0], chained[-1]):
            total = Fraction(0)
            for value, own in zip(values, chained, strict=True):
                total += value * (conversion(own, unit) or 0)
            spelled.append(f"{total} \\text{{ {unit}}}")  # a space: `min` is a function, too
        return spelled
    return []


def _known(word: str) -> str:
    """The name in the chains of a unit as it is written."""
    if word in _MARKS:
        return _MARKS[word]
    name = spelled_out(word)
    return _ALIASES.get(name, name)
