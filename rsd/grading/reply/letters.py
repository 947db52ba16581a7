"""Multiple choice: the option that a reply settles on."""

from __future__ import annotations

import re
from dataclasses import replace

from rsd.grading.normalize import fold_unicode, last_match
from rsd.grading.reply.denied import correction, without_denied
from rsd.grading.reply.section import without_talk
from rsd.grading.reply.statements import Extraction, stated
from rsd.grading.values.choices import LETTERS, last_letter, option_of

_LOOKALIKES = str.maketrans("АВСЕНав", "ABCEHab")  # Cyrillic
_OPEN = r"[\s*_$`\"'“<\[{]{0,6}(?:\\(?:text|textbf|mathrm|mathbf|boxed|bf)\s?\{\s?){0,3}"
_LETTER = (
    rf"{_OPEN}(?:(?:[Oo]ption|[Cc]hoice|选项)\s?)?{_OPEN}(?:\((?P<p>[A-Ja-j])\)|\[(?P<s>[A-Ja-j])\]"
    r"|(?P<h>[a-j])\)|(?P<u>[A-J])(?![A-Za-z'’+^/]|\s?[=+^]))"
)
_SMALL = (
    rf"{_OPEN}(?:(?:[Oo]ption|[Cc]hoice)\s?)?{_OPEN}(?P<l>[a-j])[)*_$`\"'\]}}>]{{0,4}}[.。]?\s*$"
)
_AT = re.compile(_LETTER)
_SMALL_AT = re.compile(_SMALL)
_LABELLED_SMALL = re.compile(rf"{_OPEN}(?P<l>[a-j])\)")
_MORE = re.compile(
    r"[)*_$`\"'\]}>.\s]{0,6}(?:,(?: and| or)?|/|\bor\b|\band\b|&|或|和|и|или|と)\s*(?:option |"
    r"choice )?[*_$`\"'(\[{]{0,4}"
    r"(?P<m>[A-J])(?![A-Za-z'’])(?!\s(?:is|are|was|fails?|does|do|would|has|can)\b)"
)
_EITHER = re.compile(r"(?i)\s*(?:either|both|neither|between|one of)\b")
_CHOSEN = re.compile(
    rf"(?:\b(?i:choose|choosing|chose|select|selecting|pick|picking|go with|going with|opt for|"
    rf"goes? to|option|choice|"
    rf"selection is|must be|has to be|should be|it is|it['’]s|is therefore|leaves|leaving|"
    rf"corresponds to|matches|"
    rf"is option|is choice)\b|故选|应选|因此选|所以选|选择|选|選択肢|選ぶのは)[:：]?\s*{_LETTER}"
)
_AFFIRMED = re.compile(
    rf"(?<![A-Za-z\\]){_LETTER}[)*_.:\s\]]{{0,4}}(?i:(?:is|would be|must be|seems|looks|:|-|—)?\s?"
    r"(?:the |a |clearly |definitely |therefore |indeed |also |only )*"
    r"(?:correct|right|true|yes|best|✓|✔|✅|answer|正确|верн))(?![a-z]* (?:not|only))"
)
_FITTING = re.compile(
    rf"(?<![A-Za-z\\]){_LETTER}[)*_.:\s\]]{{0,4}}"
    r"(?i:holds|works|fits|matches|satisfies|agrees|remains|is consistent)\b"
)
_PAIR = re.compile(
    r"\(?([A-J])\)?\s?(?:,(?: and| or)?|/|\bor\b|\band\b|&)\s?"
    r"(?=(?:(?:could|might|may) be |option |choice )?\(?([A-J])(?![A-Za-z'’]))"
)
_ANSWER_IS = re.compile(
    rf"(?:(?i:\b(?:correct|right|best|true|proper|appropriate) (?:option|choice|answer|one|"
    rf"letter|statement)|"
    rf"\b(?:my|the|our) (?:choice|pick|selection|option)|\b(?:option|choice)(?= is| was)|"
    rf"\b(?:final )?choice(?=\**:))\**\s*"
    rf"(?i:is|was|would be|must be|should be|:|=|-)?\s*:?|正确选项(?:是|为|：|:)|正确的是|选项是|"
    rf"(?i:\bправильный (?:вариант|ответ)\s*[:—–-]?|\bвариант\b)|"
    rf"\b(?i:la (?:bonne )?réponse(?: correcte)? est|la opción correcta es|"
    rf"die richtige antwort ist)\b)\s*{_LETTER}"
)
_LINE = re.compile(
    rf"^[\s>#-]*{_OPEN}\(?(?P<l>[A-J]|[a-j](?=[)\s*.]*$))(?![A-Za-z'’])[)\]}}*_`.:\s]*(?P<rest>.*?)[*_`\s]*$",
    re.DOTALL,
)
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]{1,300}?)(?<=\S)\*\*")


def chosen(text: str, box: Extraction | None, choices: tuple[str, ...]) -> Extraction | None:
    """The option that `text`, whose last box is `box`, settles on, or None.

    It is the letter if one is named, else the text of the box, which may be an option's value.
    """
    if box is not None and box.text.strip():
        letter = _in_box(box.text, choices)
        if letter:
            later = correction(text, box.end)
            changed = _stated(without_denied(later), choices) if later else None
            return changed or Extraction(letter, "box", box.end)
        return _stated(without_denied(text), choices) or box
    text = without_denied(text)
    said = _stated(text, choices)
    if said is not None:
        later = correction(text, said.end)
        changed = _unstated(later, choices, firm=True) if later else None
        return (changed or said) if said.text else None
    return _unstated(text, choices)


def _in_box(text: str, choices: tuple[str, ...]) -> str | None:
    option = option_of(text, choices)
    if option:
        return option
    if _is_open(text):
        return None
    small = re.fullmatch(r"\s*(?:\\(?:text|mathrm|textbf)\s*\{)?\s*\(?([a-j])[).]?\s*\}?\s*", text)
    if small:
        return small[1].upper()
    # Beside known options, a capital inside prose or a formula may belong to an option's text.
    return last_letter(fold_unicode(text), standing=not choices)


def _stated(text: str, choices: tuple[str, ...]) -> Extraction | None:
    """The last option that `text` states as its answer; its text is empty if it states two."""
    found: Extraction | None = None
    said = stated(text.translate(_LOOKALIKES))
    if said is not None:
        letter = _read(said.text, choices)
        found = None if letter is None else replace(said, text=letter)
    for match in _ANSWER_IS.finditer(text.translate(_LOOKALIKES)):
        if found is None or match.end() > found.end:
            found = _named(text, match)
    return found


def _read(value: str, choices: tuple[str, ...]) -> str | None:
    """The option that the value of a statement names, "" where it names two, None for none.

    With known options, a value that names none may be the text of one.
    """
    option = option_of(value, choices)
    if option:
        return option
    if _is_open(value):
        return ""
    match = _AT.match(value) or _SMALL_AT.match(value) or _LABELLED_SMALL.match(value)
    if match:
        return next(g for g in match.groups() if g).upper()
    if len(value) >= 200:
        return None
    letter = last_letter(value, standing=not choices)
    return letter or (value if choices and re.search(r"\w", value) else None)


def _named(text: str, match: re.Match[str]) -> Extraction:
    letter = next(g for g in match.groups() if g).upper()
    more = _MORE.match(text, match.end())
    return Extraction("" if more else letter, "letter", match.end())


def _is_open(value: str) -> bool:
    """Whether a value leaves open which of two options it means: `A or B`."""
    first = _AT.match(value)
    return bool(first and _MORE.match(value, first.end())) or bool(
        _EITHER.match(value) and len(re.findall(r"(?<![A-Za-z])[A-J](?![A-Za-z])", value)) > 1
    )


def _unstated(text: str, choices: tuple[str, ...], firm: bool = False) -> Extraction | None:
    """The option of a reply that names none as its answer; `firm` leaves out mere mentions."""
    text = text.translate(_LOOKALIKES)
    for found in (
        _own_line(text, choices),
        _last_named(_CHOSEN, text),
        _last_named(_AFFIRMED, text),
        _last_named(_FITTING, text),
    ):
        if found is not None:
            return found if found.text else None
    for match in reversed(list(_BOLD.finditer(text))):
        option = option_of(match[1].strip(" ."), choices) or _labelled(match[1], choices)
        if option:
            return Extraction(option, "letter")
    if firm:
        return None
    small = _SMALL_AT.match(text.strip())
    if small:
        return Extraction(small["l"].upper(), "letter")
    pairs = list(_PAIR.finditer(text))
    if pairs and not re.search(r"(?<![A-Za-z])[A-J](?![A-Za-z])", text[pairs[-1].end(2) :]):
        return None
    value = option_of(without_talk(text).strip(" ."), choices)
    letter = value or last_letter(fold_unicode(text)) or _option_at_end(text, choices)
    if letter:
        return Extraction(letter, "letter")
    whole = text.strip()  # a short reply may be the value of an option
    return Extraction(whole, "whole") if choices and 0 < len(whole) <= 120 else None


def _last_named(pattern: re.Pattern[str], text: str) -> Extraction | None:
    found = last_match(pattern, text)
    return _named(text, found) if found else None


def _own_line(text: str, choices: tuple[str, ...]) -> Extraction | None:
    """An option that stands alone on the last line of a reply, or on its first one."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return None
    for line in dict.fromkeys((lines[-1], lines[0])):
        match = _LINE.match(line) if len(line) < 300 else None
        if not match:
            continue
        letter = match["l"].upper()
        rest = match["rest"].strip(" .*")
        if not rest:
            return Extraction(letter, "letter")
        others = filter(None, map(_LINE.match, lines))
        listed = any(m["l"].upper() != letter and m["rest"] for m in others)
        labelled = re.match(rf"[\s>#*_-]*\(?{letter}[).:]", line)
        if choices and labelled and not listed and _labelled(line, choices) == letter:
            return Extraction(letter, "letter")
    return None


def _labelled(text: str, choices: tuple[str, ...]) -> str | None:
    """The letter of `C) blue` where blue is option C, or where no options are known."""
    match = re.match(r"\s*\(?([A-J])[).:]\s*(.*)", text, re.DOTALL)
    if not match:
        return None
    own = option_of(match[2].strip(" .*"), choices)
    known = choices[LETTERS.index(match[1])] if LETTERS.index(match[1]) < len(choices) else None
    starts = known and re.match(rf"(?i){re.escape(known)}(?=\s*(?:[.,;:(—–]|$))", match[2])
    return match[1] if own == match[1] or starts or not match[2].strip() else None


def _option_at_end(text: str, choices: tuple[str, ...]) -> str | None:
    """The option whose text ends the last sentence: "... so the light is green light."""
    sentences = [s for s in re.split(r"(?<=[.!?])\s+|\n+", without_talk(text).strip()) if s.strip()]
    if not sentences:
        return None
    last = sentences[-1].strip(" .*!").casefold()
    folded = [choice.casefold() for choice in choices]
    hits = [
        i
        for i, choice in enumerate(folded)
        if len(choices[i]) > 2 and re.search(rf"(?<!\w){re.escape(choice)}$", last)
    ]
    hits = [i for i in hits if not any(j != i and folded[j].endswith(folded[i]) for j in hits)]
    return LETTERS[hits[0]] if len(hits) == 1 else None
