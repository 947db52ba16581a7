"""The default verdict where strings, plain numbers or letters decide it."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from rsd.grading.normalize import MAX_ANSWER, fold_unicode, squeeze, unwrap
from rsd.grading.values import undecorated
from rsd.grading.values.choices import gold_letter, is_label, letter_of
from rsd.grading.verdict import Options
from rsd.kinds import AnswerKind

_PLAIN = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?")
_IN_ENGLISH = {
    word: meaning
    for meaning, words in (("yes", "是 是的 да はい 예"), ("no", "否 不是 нет いいえ 아니요"))
    for word in words.split()
}
_VERDICT_WORDS = frozenset({"yes", "no", "true", "false"})


def compare_quickly(
    answer: str, gold: str, kind: AnswerKind, options: Options
) -> tuple[bool, str] | None:
    """A verdict from strings, plain numbers or letters alone; None where more is needed.

    Takes time linear in the texts, so it needs no worker process.
    """
    answer, gold = undecorated(fold_unicode(answer)), undecorated(fold_unicode(gold))
    if answer.strip() == gold.strip() or squeeze(answer) == squeeze(gold):
        return True, "string"
    if kind is AnswerKind.TEXT:
        return _plain_text(answer) == _plain_text(gold), "text"
    if kind is AnswerKind.CHOICE and (wanted := gold_letter(gold)) is not None:
        letter = letter_of(answer, options.choices)
        if letter is None and options.choices:
            return None
        return letter == wanted, "choice"
    if len(answer) > MAX_ANSWER or len(gold) > MAX_ANSWER:
        return False, "too-long"
    first, second = _number(answer), _number(gold)
    if first is not None and second is not None:
        if first == second:
            return True, "number"
        if not _may_agree_otherwise(answer, gold):
            return False, "number"
    if is_label(gold):
        letter, wanted = letter_of(answer) or _lone_letter(answer), letter_of(gold)
        if letter is not None:
            return letter == wanted, "choice"
    small = _small_letter(gold)
    if small is not None:
        letter = _small_letter(answer) or (letter_of(answer) or "").lower()
        if letter:
            return letter == small, "choice"
    return _words(answer, gold)


def _plain_text(text: str) -> str:
    """A text without case, markup, quotes, and punctuation at its ends."""
    bare = re.sub(r"\\(?:text|mathrm|textbf)\s*\{([^{}]*)\}", r"\1", text)
    return " ".join(bare.replace("$", " ").casefold().split()).strip(" .,;:!?\"'`*_")


def _small_letter(text: str) -> str | None:
    """The letter of an option labelled `(a)`; the parentheses tell it from a variable."""
    match = re.fullmatch(r"\(\s*([a-j])\s*\)\.?", unwrap(text))
    return match[1] if match else None


def _lone_letter(text: str) -> str | None:
    """An answer that is one small letter and nothing else names an option, too."""
    text = unwrap(text)
    return text.upper() if re.fullmatch("[a-j]", text) else None


def _number(text: str) -> Decimal | None:
    text = unwrap(text)
    if len(text) > 1_000 or not _PLAIN.fullmatch(text) or not re.search(r"\d", text):
        return None
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def _may_agree_otherwise(answer: str, gold: str) -> bool:
    """Unequal numbers that another reading may make equal: a list, or a long rounded decimal."""
    both = answer + gold
    return "," in both or (max(len(answer), len(gold)) > 9 and "." in both)


def _words(answer: str, gold: str) -> tuple[bool, str] | None:
    """Verdict on a gold answer of words; None if it is mathematics."""
    wanted, given = _folded(gold), _folded(answer)
    if wanted in _VERDICT_WORDS:
        given = _IN_ENGLISH.get(given.strip(" .。"), given)
    if wanted == given and len(wanted) > 1:
        return True, "text"
    if wanted in _VERDICT_WORDS:
        return bool(re.match(rf"{wanted}(?![\w+*/=^-]|\.\s?[-+*/=^])", given)), "text"
    return None


def _folded(text: str) -> str:
    text = re.sub(r"\\(?:text|textbf|mathrm|mbox)\s*\{([^{}]*)\}", r"\1", fold_unicode(text))
    text = re.sub(r"[\"'$]|\.(?![+])|\\[ ,!;]|~", " ", unwrap(text))
    return " ".join(text.casefold().split())
