"""What a reply puts into `\\boxed{}`, and the unit or multiplier that follows the box."""

from __future__ import annotations

import re

from rsd.grading.normalize import brace_pairs
from rsd.grading.reply.statements import Extraction
from rsd.grading.values.numerals import MULTIPLIER
from rsd.grading.values.phrases import in_order
from rsd.grading.values.units import is_unit

_BOX = re.compile(r"\\f?boxed(?![A-Za-z])\s*")
_MAX_BOXES = 24
_BETWEEN = re.compile(
    r"(?:[\s,;$&.:]|\\quad|\\qquad|\\\\|\\[()\[\],;]|\\text\s*\{[\s,]*(?:(?:and|or)[\s,]*)?\}|and|or"
    r"|[A-Za-z](?:_\{?\w\}?)?\s*=)*"
)
_PART = re.compile(
    r"(?:^|\n|(?<=[\s.;,]))[\s*]{0,4}(?:\(?(?P<label>[1-5a-e]|i{1,3})[.)]|"
    r"[Pp]art \(?(?P<w>[a-eA-E1-5])\)?:?)\s"
)
_UNIT = re.compile(
    r"(?:\s|\\[,;: ]|~|\$|\\\))*(?:\\(?:text|mathrm|textrm|mbox)\s*\{(?P<styled>(?:[^{}]|"
    r"\{[^{}]*\}){1,40})\}|"
    rf"(?P<times>{MULTIPLIER})|(?P<sign>\\?%))"
)


def boxed(text: str) -> Extraction | None:
    """The content of the last balanced box, "" for an empty one.

    Neighbouring boxes, and boxes that answer the parts 1, 2 or (a), (b), are joined to a list.
    """
    matches = list(_BOX.finditer(text))[-_MAX_BOXES:]
    if not matches:
        return None
    pairs = brace_pairs(text)
    found: list[tuple[int, int, str]] = []
    unbalanced: Extraction | None = None
    for match in reversed(matches):
        box = _box_at(text, match, pairs)
        if box is None:
            if unbalanced is None:
                rest = re.split(r"\n|\$", text[match.end() + 1 :], maxsplit=1)[0]
                unbalanced = Extraction(rest, "box", len(text))
            continue
        end, content = box
        if found and not _BETWEEN.fullmatch(text, end, found[-1][0]):
            break
        found.append((match.start(), end, content))
    if not found:
        return unbalanced
    end = found[0][1]
    contents = list(dict.fromkeys(content.strip() for _, _, content in reversed(found)))
    if len(contents) == 1:
        several = _parts(text, matches, pairs) if len(matches) > 1 else None
        return Extraction(several or contents[0] + _unit_behind(text, end), "box", end)
    return Extraction(", ".join(c for c in contents if c), "box", end)


def _box_at(text: str, match: re.Match[str], pairs: dict[int, int]) -> tuple[int, str] | None:
    """End and content of the box that begins at `match`, or None if it never closes."""
    start = match.end()
    if start >= len(text):
        return None
    if text[start] != "{":
        bare = re.compile(r"[^\s$\\]+" if match[0][-1:].isspace() else r"\d").match(text, start)
        return (bare.end(), bare[0]) if bare else None
    end = pairs.get(start)
    return None if end is None else (end + 1, text[start + 1 : end])


def _unit_behind(text: str, end: int) -> str:
    match = _UNIT.match(text, end)
    if not match:
        return ""
    if match["styled"]:
        unit = match["styled"]
        known = is_unit(unit) or re.fullmatch(rf"[\s~]*(?:{MULTIPLIER}).*", unit)
        return rf"\ \text{{{unit}}}" if known else ""
    return " " + (match["times"] or match["sign"])


def _parts(text: str, matches: list[re.Match[str]], pairs: dict[int, int]) -> str | None:
    """The boxes of a reply that labels its parts, one box a part, as (a) ... (b) ...; or None."""
    labels = list(_PART.finditer(text))[-_MAX_BOXES:]
    names = [(m["label"] or m["w"]).lower() for m in labels]
    if not 2 <= len(labels) == len(matches) or not in_order(names):
        return None
    contents = []
    ends = [m.start() for m in labels[1:]] + [len(text)]
    for label, match, end in zip(labels, matches, ends, strict=True):
        box = _box_at(text, match, pairs)
        if box is None or not label.start() < match.start() < end:
            return None
        contents.append(box[1].strip())
    return " ".join(f"({'abcde'[i]}) {content}" for i, content in enumerate(contents))
