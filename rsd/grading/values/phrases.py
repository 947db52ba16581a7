"""Wordings around a value: decoration, sets in words, bounds, conditions, parts, other scripts."""

from __future__ import annotations

import re

from rsd.grading.normalize import MAX_ANSWER, unstyled

_COLOURED = re.compile(
    r"\\(?:textcolor|colorbox|color)\s*(?:\[\w*\])?\{[\w!#.]*\}|\\(?:tiny|small|normalsize|large|Large"
    r"|LARGE|huge|Huge|bfseries|itshape|sffamily|ttfamily|boldmath|Bbb)(?![a-zA-Z])"
    r"|\\bbox\s*(?:\[[^\]\n]{0,40}\])?"
)
_FRAMED = re.compile(
    r"\\(?:underline|uline|fbox|framebox|underbar|cancelto|overbracket|mathstrut|uwave|tag)\s*(?=\{)"
)
_ROMAN = re.compile(r"\{\\(?:rm|bf|it|sf)\s+([^{}]*)\}")
_DEEP_BASE = re.compile(r"_\s*(?:\{\s*\((\w{1,8})\)\s*\}|\((\d{1,2})\))")
_MARKDOWN = re.compile(
    r"^\s*(?:\*{1,3}|_{1,3}|`{1,3})(?=\S)(.*?\S)(?:\*{1,3}|_{1,3}|`{1,3})[\s.]*$", re.DOTALL
)


def undecorated(text: str) -> str:
    """`text` without colours, sizes, frames and markdown, and with `52_{(8)}` as `52_{8}`."""
    if len(text) > MAX_ANSWER:
        return text
    if "\\" in text:
        text = _FRAMED.sub("", _COLOURED.sub("", text))
        text = _ROMAN.sub(r"\\mathrm{\1}", text).replace(r"\text{\$}", r"\$")
    text = text.replace("{:}", ":")
    if "_" in text:
        text = _DEEP_BASE.sub(lambda m: f"_{{{m[1] or m[2]}}}", text)
    if text[:1] in "*_` ":
        marked = _MARKDOWN.match(text)
        text = marked[1] if marked else text
    return text


# Other scripts

_EASTERN = (
    (re.compile(r"(?:或者|或いは|または|或|или|oder|또는)"), r" \\text{ or } "),
    (re.compile(r"(?:以及|和|与|および|及び|и(?=\s))"), r" \\text{ and } "),
    (re.compile(r"(?:です|である|だ|になります|となります|입니다|이다|。|！)+\s*$"), ""),
    (re.compile(r"^(?:約|约|大约|共|一共|总共|全部で|всего)(?:有|是|需要|要)?\s*(?=\d)"), ""),
    (re.compile(r"％"), "%"),
)


def western(text: str) -> str:
    """`text` with the connectives and closing words of other scripts in English or gone."""
    if text.isascii():
        return text
    for pattern, meaning in _EASTERN:
        text = pattern.sub(meaning, text)
    return text


# Sets and values in words

_IN_WORDS = (
    (
        r"(?:x\s*(?:is|=|\\in)\s*)?(?:(?:the )?set of )?(?:all|every|any)(?: of)?(?: the)? reals?"
        r"(?: numbers?)?(?: x)?(?: is a solution| are solutions| works?)?"
        r"|全体实数|所有实数|任意实数|一切实数|すべての実数|全ての実数"
        r"|все действительные числа|любое действительное число",
        r"(-\infty,\infty)",
    ),
    (
        r"(?:there (?:is|are|exists?) |it has |has |the equation has )?"
        r"no (?:real |such |valid |possible )?"
        r"(?:solutions?|roots?|values?(?: of \w)?|real numbers?|x|numbers?)(?: exists?)?"
        r"|(?:the )?(?:empty|null) set|无解|無解|无实数解|方程无解|空集|解なし|なし"
        r"|нет решений|решений нет|пустое множество",
        r"\emptyset",
    ),
    (
        r"(?:the limit |it |this )?(?:does not|doesn'?t|do not) exist|dne|d\.n\.e|nonexistent"
        r"|不存在|存在しない|не существует",
        r"\text{does not exist}",
    ),
    (
        r"(?:there are |it has )?(?:infinitely many|an infinite number of|infinite)(?: solutions?)?"
        r"|无穷多(?:个)?解?|无数个?解?|бесконечно много(?: решений)?",
        r"\text{infinitely many}",
    ),
)
_NAMES = [(re.compile(pattern), meaning) for pattern, meaning in _IN_WORDS]


def _plain(text: str) -> str:
    text = unstyled(text).replace("$", " ").replace("~", " ")
    return " ".join(text.split()).strip(" .。*").casefold()


def named_set(text: str) -> str | None:
    """What words such as "all real numbers" or "no solution" stand for, or None."""
    if len(text) > 100 or text.strip() in ("r", "R", "$R$"):
        return None
    plain = _plain(text)
    return next((value for pattern, value in _NAMES if pattern.fullmatch(plain)), None)


# Bounds: `3 or more` is no 3

_AMOUNT = r"(?P<n>[-+]?\\?\$?\d[\d,./]*\d|\\?\$?\d)(?P<u>(?: [a-z]+){0,2}|[\u3400-\u9fff]{0,2})"
_AFTER = (
    (r"(?:or|and) (?:more|above|over|greater|higher|up|larger|older|longer|upwards?)", r"\ge"),
    (r"(?:or|and) (?:less|fewer|below|under|lower|smaller|younger)", r"\le"),
    (r"or (?:so|thereabouts)", "="),
)
_BEFORE = (
    (r"(?:at least|no (?:less|fewer) than|a minimum of|minimum|至少|不少于|не менее)", r"\ge"),
    (r"(?:at most|no more than|up to|a maximum of|maximum|至多|不超过|не более)", r"\le"),
    (
        r"(?:more|greater|larger|higher|bigger) than|over|above|exceeding|大于|超过|более|больше",
        ">",
    ),
    (r"(?:less|fewer|smaller|lower) than|under|below|小于|少于|менее|меньше", "<"),
)
_BOUNDS = [
    (re.compile(rf"(?:x (?:is|must be) )?{words}\s?{_AMOUNT}"), op) for words, op in _BEFORE
] + [(re.compile(rf"{_AMOUNT},? {words}(?: [a-z]+)?"), op) for words, op in _AFTER]
_EASTERN_BOUND = re.compile(r"(\d[\d,.]*)\s*[^\d\s]{0,2}(以上|以下|以内)")


def bound(text: str) -> str | None:
    """The inequality that a bare bound states: `3 or more`, `at least 3`, `more than 3`."""
    if len(text) > 80 or not any(c.isdigit() for c in text):
        return None
    plain = _plain(text)
    eastern = _EASTERN_BOUND.fullmatch(plain)
    if eastern:
        return ("x \\ge " if eastern[2] == "以上" else "x \\le ") + eastern[1]
    for pattern, op in _BOUNDS:
        match = pattern.fullmatch(plain)
        if match:
            return match["n"] if op == "=" else rf"x {op} {match['n']}"
    return None


_SAID_OF = re.compile(
    r"(?P<n>[-+]?\$?\d[\d,./]*) (?:(?P<right>(?:is|are) (?:the )?(?:(?:correct|right|final) ?)?"
    r"(?:answers?|values?|results?|solutions?|total)?|more|fewer|less|extra|only|left|in total|"
    r"in all|altogether|overall)|(?P<power>squared|cubed)"
    r"|(?:is|are|was|were|cannot|can|does|do|has|have|if|when|unless|but|in) .*)"
)


def said_of(text: str) -> str | None:
    """The number in a remark about it: `5 is the answer`, `5 squared`. Any other remark, such as
    `5 is impossible`, leaves no value."""
    match = _SAID_OF.fullmatch(_plain(text)) if len(text) < 200 else None
    if match is None:
        return None
    if match["power"]:
        return f"{match['n']}^{2 if match['power'] == 'squared' else 3}"
    return match["n"] if match["right"] else r"\text{no value}"


# Conditions and remarks after a value

_CONDITION = re.compile(
    r"(?:\s|\\[,; ]|\\quad|~|,|;|\(|\\text\s*\{)*\b(?:for (?:all|any|every|each|some)\b|"
    r"whenever\b|where\b"
    r"|(?:for|with)(?=[\s}$]*[a-zA-Z]\s*(?:\\g|\\l|\\n|\\in|>|<|=)))(?P<rest>.*)$",
    re.DOTALL,
)
_ON_SYMBOL = re.compile(
    r"(?<![A-Za-z\\])[b-zA-Z]\s*(?:\\g|\\l|\\n|\\in|!=|[<>=]|is\b|are\b)"
    r"|(?:integers?|numbers?|constants?|real|positive|natural)\s+\$?[a-zA-Z](?![A-Za-z])"
)
_REMARK = re.compile(
    r"(?:\s|"
    r"\\[,; ])*(?:\\text\s*\{\s*)?\(\s*(?:\\text\s*\{)?(?P<inside>[A-Za-z][A-Za-z "
    r".,'-]*)\}?\s*\)\s*\}?[.\s]*$"
)


def without_condition(text: str) -> str:
    """`2^n - 1` of `2^n - 1 for all n >= 1`: drops a condition on a symbol after a value."""
    match = _CONDITION.search(text)
    if not match or not re.search(r"[\d\w]", text[: match.start()]):
        return text
    before = text[: match.start()]
    if re.search(r"[A-Za-z]{3,}", re.sub(r"\\[A-Za-z]+", "", before)):
        return text
    if not _ON_SYMBOL.search(_plain(match["rest"])):
        return text
    return before


_LEAD = re.compile(
    r"(?i)^\s*(?:"
    r"\\text\s*\{\s*(?:the )?(?:final )?(?:answer|solution|result|total)(?: is)?\s*[:=]?\s*\}"
    r"|(?:solutions?|answers?|result)\s*(?:is|are)?\s*[:=]"
    r"|=|\\approx(?![a-z])|≈|~(?=\s*[-+$€£\\\d])|\\therefore|\\Rightarrow"
    r"|(?:\\text\s*\{\s*)?(?:(?:approximately|approx\.?|about|roughly|exactly|only)(?:\s*\}|\s)"
    r"|(?:around|nearly|almost|just|probably|likely|precisely|simply)"
    r"(?:\s*\}\s*|\s+)(?=[-+$€£\\\d])))\s*"
)


def without_lead(text: str) -> str:
    """`18` of `about 18`, of `= 18`, of `Answer: approximately 18`."""
    for _ in range(3):
        text = _LEAD.sub("", text, count=1)
    return text


def unflagged(text: str) -> str:
    """`18` of `about 18`, of `18 (dollars)`: a number without a remark in words."""
    text = without_lead(text)
    match = _REMARK.search(text)
    if match and re.search(r"\d\s*$", text[: match.start()]):
        return text[: match.start()]
    return text


# Parts: (a) 2 (b) 5

_LABEL = re.compile(
    r"(?:(?<=\s)|^|(?<=[,;]))(?:\\text\s*\{\s*|\*\*)?(?:[Pp]art\s+)?(?:\((?P<p>[a-e]|i{1,3}|iv|v|[1-5])\)"
    r"|(?P<b>[a-e])\)|[Pp]art\s+(?P<w>[a-eA-E1-5])\s*[:.])\s*:?(?:\*\*)?\s*\}?"
)


def in_order(names: list[str]) -> bool:
    """Whether labels of parts are the first letters, digits or Roman numerals, in order."""
    series = ("abcde", "12345", ("i", "ii", "iii", "iv", "v"))
    return names in [list(labels[: len(names)]) for labels in series]


def parts(text: str) -> list[str]:
    """The answers to the parts (a), (b) ... as a tuple, in that order; [] if there are none."""
    labels = list(_LABEL.finditer(text))
    if len(labels) < 2 or text[: labels[0].start()].strip(" $\\"):
        return []
    if not in_order([next(g for g in m.groups() if g).lower() for m in labels]):
        return []
    ends = [m.start() for m in labels[1:]] + [len(text)]
    values = [text[m.end() : end].strip(" ,;.$\n") for m, end in zip(labels, ends, strict=True)]
    values = [
        re.sub(r"(?:,|;|\band|\\text\s*\{\s*and\s*\})\s*$", "", v).strip(" ,;$") for v in values
    ]
    if not all(values):
        return []
    return ["(" + ", ".join(values) + ")"]
