"""Units of measure, as far as grading needs them: spellings of one unit, and unit conversion."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

_SYNONYMS = {
    "percent": "% pct percentage \\%",
    "dollar": "$ usd us buck us$",
    "cent": "¢",
    "euro": "€ eur",
    "gbp": "£ quid sterling",
    "yen": "¥ jpy",
    "rupee": "₹ inr rs",
    "yuan": "cny rmb",
    "degree": "deg ° circ",
    "celsius": "degc °c",
    "fahrenheit": "degf °f",
    "radian": "rad",
    "mm": "millimeter millimetre",
    "cm": "centimeter centimetre",
    "m": "meter metre",
    "km": "kilometer kilometre",
    "nm": "nanometer nanometre",
    "in": "inch inche",
    "ft": "foot feet",
    "yd": "yard",
    "mi": "mile",
    "mph": "mileperhour mi/h mile/hour mi/hr mile/hr",
    "kmph": "kph",
    "mg": "milligram",
    "g": "gram gm gramme",
    "kg": "kilogram kilo",
    "lb": "pound",
    "oz": "ounce",
    "ml": "milliliter millilitre",
    "l": "liter litre",
    "s": "second sec",
    "ms": "millisecond",
    "min": "minute",
    "h": "hour hr",
    "n": "newton",
    "j": "joule",
    "w": "watt",
    "v": "volt",
    "k": "kelvin",
    "hz": "hertz",
    "pa": "pascal",
    "molar": "M",
}
_KEY = {word: unit for unit, words in _SYNONYMS.items() for word in words.split()}
_SYMBOLS = frozenset(
    "ev kev mev gev tev megaev megapa megaw megaj megahz megan megav k kpa mpa pa hz khz mhz "
    "ghz t mol mmol molar n kn w kw v kv mv a ma f c j kj "
    "kcal cal nm um mm cm dm m km pm fm å pc kpc mpc au ly db bit byte kb mb gb tb ms ns us s "
    "min h "
    "hr day week month year yr kg g mg ug t ton tonne l ml dl gal gallon qt pt ft in yd mi lb "
    "oz mph "
    "kmph rad sr ohm ω tesla gauss erg dyne atm bar torr mmhg psi rpm u amu da unit cc acre ha "
    "l_sun m_sun people person time point pts apple egg student euro dollar "
    "cent gbp yen rupee yuan percent degree celsius fahrenheit radian".split()
)
_NOTHING = frozenset({"", "unit", "u", "th", "st", "nd", "rd", "total", "altogether"})
_POWER = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_RAISED = {"squared": 2, "cubed": 3}
_FILLERS = re.compile(
    r"(?i)\b(?:u\.?s\.?(?!\w)|the|of|a|an|about|each)\b|\\(?:,|;|:| )|[~{}().,\\]"
)
_PART = re.compile(
    r"(?:\^\s*|(?<=[^\W\d_]))(-?\d+)|([^\W\d_]+_?[^\W\d_]*|°[A-Za-z]?|[%$¢°€£¥₹]|[Ll]_\w+)|(/)",
    re.UNICODE,
)
_MEGA = frozenset("ev w j n v a hz pa b".split())
_LENGTH, _MASS, _TIME, _MONEY, _VOLUME = "length", "mass", "time", "money", "volume"
_SIZES: dict[str, tuple[str, Fraction]] = {
    name: (kind, Fraction(size))
    for kind, sizes in {
        _LENGTH: "nm=1/1000000000 um=1/1000000 mm=1/1000 cm=1/100 dm=1/10 m=1 km=1000 in=127/5000 "
        "ft=381/1250 yd=1143/1250 mi=201168/125",
        _MASS: "mg=1/1000 g=1 kg=1000 ton=1000000 oz=45359237/1600000 lb=45359237/100000",
        _TIME: "ms=1/1000 s=1 min=60 h=3600 day=86400 week=604800",
        _MONEY: "cent=1/100 dollar=1",
        _VOLUME: "ml=1 dl=100 l=1000",
        "age": "month=1 year=12",
    }.items()
    for name, size in (pair.split("=") for pair in sizes.split())
} | {
    prefix + base: (base, Fraction(size))
    for base in "hz pa w j v ev".split()
    for prefix, size in (("", 1), ("k", 1_000), ("mega", 10**6), ("g", 10**9))
}


@lru_cache(maxsize=4096)
def _factors(words: str) -> tuple[tuple[str, int], ...]:
    """Names and powers of the units in `words`: `(("m", 1), ("s", -2))` of `m/s^2`."""
    text = (
        re.sub(r"\bper\s?cent\b", "percent", words)
        .replace("**", "^")
        .replace("\\cdot", " ")
        .replace("_\\odot", "_sun")
        .replace("\\Omega", "ohm")
    )
    text = re.sub(r"\b[Pp]er\b", "/", text)
    text = _FILLERS.sub(lambda m: "" if m[0] in "{}" else " ", text)
    text = text.replace("*", " ").replace("·", " ")
    powers: dict[str, int] = {}
    last, sign, ahead = "", 1, 1
    for digits, name, slash in _PART.findall(text):
        low = name.lower()
        if slash:
            sign = -1
        elif digits:
            if last:
                powers[last] += powers[last] * (int(digits) - 1)
            last = ""
        elif low in _POWER:
            ahead = _POWER[low]
        elif low in _RAISED:
            if last:
                powers[last] *= _RAISED[low]
        else:
            last = _name(name)
            powers[last] = powers.get(last, 0) + sign * ahead
            ahead = 1
    return tuple((name, power) for name, power in powers.items() if power)


def _name(word: str) -> str:
    """The name under which spellings of one unit meet."""
    low = word.lower()
    if word == "M":
        return "molar"
    if word[0] == "M" and low[1:] in _MEGA:
        return "mega" + low[1:]
    single = low[:-1] if len(low) > 2 and low.endswith("s") and not low.endswith("ss") else low
    return _KEY.get(low) or _KEY.get(single) or (low if low in _SYMBOLS else single)


def unit_key(words: str) -> str:
    """A key under which spellings of one unit meet: `cm ^ 2`, `square cm`, `sq. centimeters`."""
    factors = dict(_factors(words))
    if factors == {"mph": 1}:
        factors = {"mi": 1, "h": -1}
    if factors == {"kmph": 1}:
        factors = {"km": 1, "h": -1}
    names = [f"{name}{power if power != 1 else ''}" for name, power in factors.items()]
    if len(factors) == 1 and next(iter(factors)) in _NOTHING:
        return ""
    return " ".join(names)


_HIGHEST_POWER = 12  # of a unit: none in use is higher, and a reply may say any number


def is_unit(words: str) -> bool:
    """Whether `words` are known units and nothing else: `nm`, `m s^{-2}`, `km/h`."""
    if re.search(r"(?<![\w^{-])\d", words):
        return False
    factors = _factors(words)
    return 0 < len(factors) <= 4 and all(
        name.lower() in _SYMBOLS and abs(power) <= _HIGHEST_POWER for name, power in factors
    )


def spelled_out(words: str) -> str:
    """`words`, a unit, with letters and slashes alone: `m/s/s` for `m s^{-2}`."""
    above = [name for name, power in _factors(words) for _ in range(min(power, _HIGHEST_POWER))]
    below = [name for name, power in _factors(words) for _ in range(min(-power, _HIGHEST_POWER))]
    return (" ".join(above) + "".join("/" + name for name in below)).replace("_", " ")


def same_unit(a: str, b: str) -> bool:
    """Whether two units agree; a missing one agrees with any, as does a bare degree with °C."""
    first, second = unit_key(a), unit_key(b)
    if not first or not second or first == second:
        return True
    return {first, second} in ({"degree", "celsius"}, {"degree", "fahrenheit"})


def conversion(a: str, b: str) -> Fraction | None:
    """How many of unit `b` one of unit `a` is; None where they measure different things."""
    first, second = _SIZES.get(unit_key(a)), _SIZES.get(unit_key(b))
    if first is None or second is None or first[0] != second[0]:
        return None
    return first[1] / second[1]
