"""One spelling for text that means the same: Unicode signs, spaces, delimiters, wrappers."""

from __future__ import annotations

import re
import unicodedata

MAX_ANSWER = 2_000  # characters; a longer answer is compared as a string only

_SUPERSCRIPT = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ", "0123456789+-()ni", strict=True))
_SUBSCRIPT = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎", "0123456789+-()", strict=True))
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        (
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma "
            "tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
        ).split(),
        strict=True,
    )
)
_FRACTIONS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5),
    "⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8),
    "⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-", "×": r"\times ", "✕": r"\times ",
    "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ", "÷": r"\div ", "∕": "/",
    "⁄": "/", "±": r"\pm ", "∓": r"\mp ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ",
    "≦": r"\le ", "≧": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≃": r"\approx ",
    "∞": r"\infty ", "°": r"^\circ ", "º": r"^\circ ", "∘": r"\circ ", "∪": r"\cup ",
    "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "√": r"\surd ", "∛": r"\surd[3]",
    "∜": r"\surd[4]", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "∠": r"\angle ", "△": r"\triangle ", "→": r"\to ", "…": r"\ldots ", "⋯": r"\ldots ",
    "〈": r"\langle ", "⟨": r"\langle ", "⟩": r"\rangle ", "〉": r"\rangle ", "∣": "|",
    "₵": "¢", "，": ", ", "；": "; ", "：": ":", "。": ".", "、": ", ",
    "∨": r" \text{or} ", "∧": r" \text{and} ", "∶": ":",
}  # fmt: skip
_TABLE = str.maketrans(
    _SIGNS
    | {c: rf"\{name} " for c, name in _GREEK.items()}
    | {c: rf"\frac{{{a}}}{{{b}}}" for c, (a, b) in _FRACTIONS.items()}
    | {"ϕ": r"\phi ", "ϵ": r"\epsilon ", "ϑ": r"\theta ", "µ": r"\mu ", "𝜋": r"\pi "}
)
_GROUPED = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u200a\u202f](?=\d{3}(?!\d))")
_SUPER_RUN = re.compile("[" + "".join(_SUPERSCRIPT) + "]+")
_SUB_RUN = re.compile("[" + "".join(_SUBSCRIPT) + "]+")
_BROKEN_ESCAPES = {"\x0crac": r"\frac", "\x08oxed": r"\boxed", "\x08frac": r"\frac"}


def repair(text: str) -> str:
    """`text` without invisible characters, and with commands that a bad escape broke."""
    for broken, meant in _BROKEN_ESCAPES.items():
        text = text.replace(broken, meant)
    return _drop_invisible(text)


def fold_unicode(text: str) -> str:
    """`text` repaired, its Unicode mathematics spelled in LaTeX."""
    text = repair(text)
    if text.isascii():
        return text
    text = _GROUPED.sub("", text)
    text = _SUPER_RUN.sub(lambda m: "^{" + "".join(_SUPERSCRIPT[c] for c in m[0]) + "}", text)
    text = _SUB_RUN.sub(lambda m: "_{" + "".join(_SUBSCRIPT[c] for c in m[0]) + "}", text)
    return unicodedata.normalize("NFKC", text.translate(_TABLE)).translate(_TABLE)


def _drop_invisible(text: str) -> str:
    if text.isprintable():
        return text
    kept = []
    for char in text:
        if char in "\n\r\t" or char.isprintable():
            kept.append(char)
        elif unicodedata.category(char) == "Zs":
            kept.append(" ")
    return "".join(kept)


_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def closing_brace(text: str, start: int) -> int:
    """Index of the brace that closes the one at `start`, or -1; escaped braces do not count."""
    depth = 0
    for match in _BRACE.finditer(text, start):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return -1


def brace_pairs(text: str) -> dict[int, int]:
    """Index of each opening brace that is closed, and of the brace that closes it."""
    pairs: dict[int, int] = {}
    open_: list[int] = []
    for match in _BRACE.finditer(text):
        if match[0] == "{":
            open_.append(match.start())
        elif match[0] == "}" and open_:
            pairs[open_.pop()] = match.start()
    return pairs


_WRAPPER = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|mbox|hbox|mathrm|mathbf|mathit|boxed|fbox|bold"
    r"|boldsymbol|emph|displaystyle|bf|rm)?\s*\{"
)
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"),
               ('"', '"'), ("'", "'"))  # fmt: skip


def _without_tail(text: str) -> str:
    """`text` without the spaces and punctuation after it; `...` and `!` belong to an answer."""
    while True:
        before = text
        text = text.rstrip(" \t\r\n,;:=~")
        for mark in ("\\\\", "\\,", "\\;", "\\!", "\\"):
            text = text.removesuffix(mark)
        if text.endswith(".") and not text.endswith(".."):
            text = text[:-1]
        if text == before:
            return text


def unwrap(text: str) -> str:
    """Strip what only wraps an answer: spaces, math delimiters, `\\text{...}`, a final stop."""
    for _ in range(12):
        before = text
        text = _without_tail(text.strip())
        for opening, closing in _DELIMITERS:
            inner = text[len(opening) : len(text) - len(closing)]
            if (
                len(text) > len(opening) + len(closing)
                and text.startswith(opening)
                and text.endswith(closing)
                and opening not in inner
                and closing not in inner
                and not inner.endswith("\\")
            ):
                text = inner
        match = _WRAPPER.match(text) or re.match(r"\{", text)
        if match and closing_brace(text, match.end() - 1) == len(text) - 1:
            text = text[match.end() : -1]
        if text == before:
            return text
    return text


def last_match(pattern: re.Pattern[str], text: str, start: int = 0) -> re.Match[str] | None:
    """The last match of `pattern` in `text`, from `start` on."""
    last = None
    for match in pattern.finditer(text, start):
        last = match
    return last


_STYLED = re.compile(
    r"\\(?:text|textrm|textbf|textit|mathrm|mbox|operatorname)\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)


def unstyled(text: str) -> str:
    """`text` with its words out of `\\text{...}` and the like."""
    return _STYLED.sub(r" \1 ", text)


_LOOSE = re.compile(
    r"\\(?:left|right|[bB]ig{1,2}[lrm]?|displaystyle|textstyle|limits)(?![a-zA-Z])"
    r"|\\[!,;: ]|(?<!\\)~|\s+"
)
_SAME = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(?:le|leqslant)(?![a-zA-Z])"), r"\\leq"),
    (re.compile(r"\\(?:ge|geqslant)(?![a-zA-Z])"), r"\\geq"),
    (re.compile(r"\\ne(?![a-zA-Z])"), r"\\neq"),
    (re.compile(r"\\(?:text|mbox|hbox|mathrm|textrm|textbf|mathbf)(?=\{)"), ""),
    (re.compile(r"(?<![\\A-Za-z}])\{([A-Za-z ]+)\}"), r"\1"),
    (re.compile(r"\^\{\s*\\circ\s*\}"), r"^\\circ"),
)


def squeeze(text: str) -> str:
    """A key under which equal spellings of an answer meet: no layout, no spaces."""
    text = unwrap(text)
    for pattern, spelling in _SAME:
        text = pattern.sub(spelling, text)
    return _LOOSE.sub(_keep_between_digits, text).replace("$", "")


def _keep_between_digits(match: re.Match[str]) -> str:
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return " " if match[0].isspace() and before.isdigit() and after.isdigit() else ""
