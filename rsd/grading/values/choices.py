"""Multiple choice: which option a text names. Case-sensitive: the article "a" is no answer."""

from __future__ import annotations

import re

from rsd.grading.normalize import MAX_ANSWER, fold_unicode, squeeze, unwrap

LETTERS = "ABCDEFGHIJ"
_WHOLE = re.compile(r"\(?\s*([A-J])\s*\)?\s*[.:]?")
_LABELLED_TEXT = re.compile(r"(?:\(([A-J])\)|([A-J])\s?[).:])\s*\S")
_NAMED = re.compile(r"(?:[Oo]ption|[Cc]hoice|[Aa]nswer)(?:\s+is)?:?\s*\(?([A-J])\b\)?(?![a-z'])")
_STATED = re.compile(
    r"(?:[Aa]nswers?|ANSWER)\*{0,3}\s{0,3}(?:is|:|=)[\s:]{0,4}(?:(?:option|choice)\s{0,3})?"
    r"[\s*$\\({]{0,10}(?:(?:text|mathrm|textbf|mathbf|boxed)\s?\{\s?){0,3}"
    r"\(?([A-J])(?![A-Za-z'])"
)
_STYLED = re.compile(
    r"\\(?:text|textbf|mathbf|mathrm|bf)\s*\{\s*\(?([A-J])[).]*\s*\}(?!\s*[-+*/^=])"
)
_OPTION = re.compile(r"(?:[Oo]ption|[Cc]hoice)(?:\s+is:?)?\s*\(?([A-J])(?![A-Za-z'])")
_PARENTHESISED = re.compile(r"\(([A-J])\)")
_STANDING = re.compile(
    r"(?<![A-Za-z\\])([B-HJ])(?![A-Za-z'])|(?<![A-Za-z\\])(A)(?![A-Za-z']| [a-z])"
)


def letter_of(text: str, choices: tuple[str, ...] = ()) -> str | None:
    """The letter that a bare answer names: `B`, `(B)`, `B) text`, `\\text{(B)}`, `Option B`;
    or the one option of `choices` whose own text it is."""
    option = option_of(text, choices)
    if option:
        return option
    text = unwrap(text)
    match = _WHOLE.fullmatch(text)
    if match:
        return match[1]
    match = _STYLED.match(text)
    if match:
        return match[1]
    match = _LABELLED_TEXT.match(text) or _NAMED.match(text)
    return next((g for g in match.groups() if g), None) if match else None


def is_label(text: str) -> bool:
    """Whether a gold answer is nothing but an option's letter."""
    return bool(_WHOLE.fullmatch(unwrap(text)))


def last_letter(text: str, *, standing: bool = True) -> str | None:
    """The letter that a whole response settles on, or None.

    Without `standing`, a capital in the middle of a text is none: `vitamin C`.
    """
    direct = letter_of(text) if len(text) < 400 else None
    if direct:
        return direct
    patterns = (_STATED, _OPTION, _PARENTHESISED, _STANDING)
    for pattern in patterns if standing else patterns[:-1]:
        found = list(pattern.finditer(text))
        if found:
            return next(g for g in found[-1].groups() if g)
    return None


def gold_letter(gold: str) -> str | None:
    """The letter in a multiple-choice gold, which may carry its option's text."""
    match = _WHOLE.fullmatch(unwrap(gold)) or _LABELLED_TEXT.match(unwrap(gold))
    if match:
        return next(g for g in match.groups() if g)
    found = re.findall(r"(?:^|\n)[ \t]*\(?([A-J])[).]?(?=\s)", gold)
    return found[-1] if found else None


def option_of(text: str, choices: tuple[str, ...]) -> str | None:
    """The letter of the one option whose own text is `text`; a bare letter is a label instead."""
    if not choices or len(text) > MAX_ANSWER:
        return None
    match = _WHOLE.fullmatch(unwrap(text))
    if match and LETTERS.index(match[1]) < len(choices):
        return None
    key = _key(text)
    hits = [i for i, choice in enumerate(choices) if _key(choice) == key]
    if key.isdecimal() and not any(re.search(r"\d", choice) for choice in choices):
        hits = [int(key) - 1] if 1 <= int(key[:3]) <= len(choices) else []  # the third option
    return LETTERS[hits[0]] if len(hits) == 1 and hits[0] < 10 else None


def _key(text: str) -> str:
    return squeeze(fold_unicode(text)).casefold()
