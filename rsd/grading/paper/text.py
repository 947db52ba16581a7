"""Extraction and normalisation as Qwen2.5-Math's evaluation does them, faults included.

A restatement of behaviour, not of code: what is deleted, replaced and in which order decides
many of the published verdicts. Every step is linear in the text.
"""

from __future__ import annotations

import re

MAX_NORMALISED = 3_000  # characters

_UNITS = frozenset(
    # Places and directions; units of length, area, volume, mass, time, angle, money, speed.
    "east west m cm mm km dm ft feet inch inches yard mile metre meter mtr mt rd "
    "sq square acre hectare cube cubic cc liter litre lt l gal gallon kg g gm lb ohm "
    "sec second s min minute minw hr hour h day month year yr am pm noon deg degree "
    "rs rupee mph kmph kmh mp percent per unit "
    # Words of word problems.
    "monkey prime ratio tile gain ab way men man women woman soldier pie bc excess st th "
    "by rise mark toy coin profit loss rounds are number more less increase decrease apple pure "
    "Surface "
    # Letters that were option labels or broken units.
    "o t a h c d".split()
)
_WORDS = _UNITS | {unit + "s" for unit in _UNITS}
# Entries of several words; their full stop is an arbitrary character there, as it is here.
_PHRASES = [
    re.compile(rf"(^|\W){phrase}($|\W)")
    for phrase in (
        "m sqaure", " m east", "sq m", "q .", "profit of rs", "p . m",
        "a .", "b .", "c .", "d .", "e .", "f .", "g .", "h .", "no change",
        "° f", "cu cm", "sq inch", "cm 2", "rs .",
    )
]  # fmt: skip
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBER_WORDS: dict[str, int] = {w: i for i, w in enumerate(_ONES)} | {
    w: 10 * i for i, w in enumerate(_TENS, start=2)
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}


def choice_letter(text: str) -> str:
    """The letter cleaner over a whole response: after the last "answer is" the first letter."""
    text = text.strip("\n")
    if any(text.count(trigger) > 1 for trigger in ("choice is", "answer is")):
        text = text.split("\n\n")[0]
    parts = re.split("choice is|answer is", text)
    return _letter(parts[-1].strip("\n"), first=len(parts) > 1)


def last_letter(text: str) -> str:
    """The letter cleaner over a bare answer: the last letter, or the answer itself."""
    return _letter(text.strip("\n"), first=False)


def _letter(text: str, first: bool) -> str:
    text = text.rstrip(".").rstrip("/").strip(" ").lstrip(":")
    letters = re.findall(r"\b(A|B|C|D|E)\b", text.upper())
    if letters:
        return str(letters[0] if first else letters[-1])
    return text.strip().strip(".").rstrip(".").rstrip("/")


def stated_answer(text: str) -> str:
    """The last box, else what follows "he answer is", else the last number; not normalised."""
    if "final answer is $" in text and "$. I hope" in text:
        answer = text.split("final answer is $", 1)[1].split("$. I hope", 1)[0].strip()
    elif "boxed" in text:
        answer = _last_box(text.rsplit("boxed", 1)[1])
    elif "he answer is" in text:
        answer = text.rsplit("he answer is", 1)[1].strip()
    elif "final answer is" in text:
        answer = text.rsplit("final answer is", 1)[1].strip()
    else:
        numbers = re.findall(r"-?\d*\.?\d+", text[-20_000:].replace(",", ""))
        answer = numbers[-1] if numbers else ""
    answer = re.sub(r"\n\s*", "", answer).removeprefix(":")
    return answer.removesuffix(".").removesuffix("/")


def _last_box(rest: str) -> str:
    if not rest.startswith("{"):
        return rest.split("$")[0].strip()
    depth = 0
    for i, char in enumerate(rest):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return rest[1:i]
    return rest[1:]


def normalise(text: str, keep_units: bool = False) -> str:
    """The spelling under which that evaluation compares answers; of long ones, the beginning."""
    text = text[:MAX_NORMALISED].strip().replace("\n", "").rstrip(".").replace("\\!", "")
    text = re.sub(r"\\begin\{array\}\{[^}]*\}", r"\\begin{pmatrix}", text)
    text = text.replace("\\end{array}", "\\end{pmatrix}").replace("bmatrix", "pmatrix")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac")
    text = text.replace("\\neq", "\\ne").replace("\\leq", "\\le").replace("\\geq", "\\ge")
    text = text.replace("\\left", "").replace("\\right", "")
    text = text.replace("\\{", "{").replace("\\}", "}")
    # A trailing \text{...}, from the first one on, unless nothing else would be left.
    text = re.sub(r"\\text\{.*\}$", "", text).strip() or text
    if not keep_units:
        text = _without_units(text)
    for mark in ("^{\\circ}", "^\\circ", "\\$", "$", "\\(", "\\)"):
        text = text.replace(mark, "")
    text = _words_to_number(text)
    text = re.sub(r"\\text\{([^}]*)\}", r"\1", text)
    for name in "xyz":
        text = text.replace(name + "=", "")
    for command in ("\\in", "\\to"):
        for name in "xyz":
            text = text.replace(name + command, "")
    text = text.replace("\\emptyset", "{}").replace("(-\\infty,\\infty)", "\\mathbb{R}")
    text = text.replace("\\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    text = text.replace("infinity", "\\infty")
    if "\\infty" not in text:
        text = text.replace("inf", "\\infty")
    text = text.replace("and", "").replace("\\mathbf", "")
    text = re.sub(r"\\mbox\{[^}]*\}", "", text)
    if "j" in text and "i" not in text:
        text = text.replace("j", "i")
    text = re.sub(r"(\d)\.0*([^\d])", r"\1\2", text)
    text = re.sub(r"(\d)\.0*$", r"\1", text)
    if not text:
        return text
    text = "0" + text if text[0] == "." else text
    sides = text.split("=")
    if len(sides) == 2 and len(sides[0]) <= 2:
        text = sides[1]
    text = re.sub(r"\\sqrt(\w+)", r"\\sqrt{\1}", text).replace(" ", "")
    return _slash(_fractions(text))


def _without_units(text: str) -> str:
    for _ in range(2):
        for phrase in _PHRASES:
            text = phrase.sub(r"\1\2", text) or text
        for word in _WORDS.intersection(re.findall(r"\w+", text)):
            text = re.sub(rf"(^|\W){word}($|\W)", r"\1\2", text) or text
    return text


def _words_to_number(text: str) -> str:
    """Any number word turns the whole text into that number: `two apples` into 2."""
    if text.isdecimal():
        return str(int(text)) if len(text) < 4_000 else text
    words = text.replace("-", " ").lower().split()
    known = [w for w in words if w in _NUMBER_WORDS or w in _SCALES or w in ("hundred", "point")]
    if not known or any(known.count(scale) > 1 for scale in (*_SCALES, "point")):
        return text
    whole, _, decimals = " ".join(known).partition("point")
    total = part = 0
    for word in whole.split():
        if word in _SCALES:
            total, part = total + max(part, 1) * _SCALES[word], 0
        else:
            part = max(part, 1) * 100 if word == "hundred" else part + _NUMBER_WORDS[word]
    digits = "".join(str(_NUMBER_WORDS.get(word, 0)) for word in decimals.split())
    return f"{total + part}.{digits}" if digits else str(total + part)


def _fractions(text: str) -> str:
    """`\\frac12` into `\\frac{1}{2}`, `\\frac1{72}` into `\\frac{1}{72}`."""
    head, *parts = text.split("\\frac")
    out = head
    for part in parts:
        if part.startswith("{"):
            out += "\\frac" + part
        elif len(part) < 2:
            return text
        elif part[1] == "{":
            out += f"\\frac{{{part[0]}}}{part[1:]}"
        else:
            out += f"\\frac{{{part[0]}}}{{{part[1]}}}{part[2:]}"
    return out


def _slash(text: str) -> str:
    sides = text.split("/")
    if len(sides) != 2 or not all(
        "sqrt" in side or re.fullmatch(r"0|-?[1-9]\d*", side) for side in sides
    ):
        return text
    return f"\\frac{{{sides[0]}}}{{{sides[1]}}}"
