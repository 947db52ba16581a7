"""Answers that a reply introduces: "the answer is", `####`, a heading, JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MATH_SPAN = re.compile(
    r"(?<!\\)\$\$(?P<d>(?:[^$\\]|\\.)+)\$\$|(?<!\\)\$(?P<i>(?:[^$\\]|\\.)+)\$"
    r"|\\\((?P<p>.{1,1500}?)\\\)|\\\[(?P<b>.{1,1500}?)\\\]",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """An answer as written in the response; `source` says where: box, answer-is, hash, last ..."""

    text: str
    source: str
    end: int = field(default=0, compare=False)  # its end in the section


_VERB = (
    r"(?:is|are|was|would be|must be|should be|will be|has to be|equals|comes (?:out )?to(?: be)?"
    r"|turns out to be|works out to(?: be)?|seems to be|appears to be|therefore|thus|"
    r"is therefore|is thus)"
)
_CUE = re.compile(
    r"(?i:\banswers?\b(?: (?:to|for|of|in) [^.:\n=$]{1,60}?)?"
    rf"(?:[ \t]+{_VERB}\b(?:[ \t]*:)?|\**[ \t]*(?:[:=：]|=>|->|→|–|-(?=\s))|(?=\s+(?:\$|\\\(|"
    rf"\\\[))))"
    r"|(?i:\bans\b\.?\s*(?:[:=]|is\b|-(?=\s)))"
    r"|(?i:\b(?:final|end) (?:result|value|total)\b\**\s*(?:is\b|[:=]))"
    r"|(?i:\"(?:final[_ ]?)?(?:answer|result|solution)\"\s*:)"
    r"|(?i:(?:^|\n)[#* \t✅✔️📌🎯>_]{0,12}(?:the )?(?:final |correct )?(?:answers?|result|"
    r"solution)[*_ ]{0,4}:?[*_ \t]{0,4}(?=\n|\$|\\))"
    r"|(?i:\brespuesta\b[^.\n:]{0,30}?(?:\bes\b|:)|\bréponse\b[^.\n:]{0,30}?(?:\best\b|:)"
    r"|\bantwort\b[^.\n:]{0,30}?(?:\bist\b|\blautet\b|:)|\bresposta\b[^.\n:]{0,30}?(?:\bé\b|:)"
    r"|\brisposta\b[^.\n:]{0,30}?(?:\bè\b|:))"
    r"|(?i:\bответ(?:ом)?\b[^.\n:]{0,20}?(?:—|–|-|:|\bравен\b|\bбудет\b|\bявляется\b|\bэто\b))"
    r"|(?:答案|答え|解答|正解|最终结果|最終的な答え|答)(?:应该|应|就)?\s*(?:是|为|為|は|即|：|:|＝|=)[:：]?"
    r"|(?:^|\n)答[,，：:]|(?:정답|답)(?:은|는|이|:|：)"
)
_NOT_AN_ANSWER = re.compile(
    r"(?i)[\s*:]{0,8}(?:(?:also |not |indeed )*(?:in)?correct|wrong|right\b|consistent|as follows"
    r"|reasonable|in the form|given by\b|the same\b|(?:un)?clear|unknown|(?:below|above)\b)"
)
_HASH = re.compile(r"####[ \t]*([^\n#]*)")
_HEADING = re.compile(
    r"(?i)\W*(?:step|case|part|final|answer|solution|conclusion|check|verif|note)\w*\b"
)
_STOP = re.compile(
    r"\.(?=[\s*\"'”)<]|$)|[。？?;；]|!(?=\s+[A-Z]|\s*$)|\n|(?i:,? ?i hope)|</|"
    r"(?i:[,;]? \(?(?:since|because|as we|"
    r"rather than|instead of|but|so|not|which|given that|assuming|due to)\b)|[，,]\s*(?:因为|"
    r"即|所以|也就是|因此|其中|так как|потому)"
    r"|[ ,]+(?:—|–) "
)
_REMARK = re.compile(r"(?<=\d) \([^()$]*[-+*/×=][^()$]*\)\s*$")  # 7 (3 + 4)
_MAX_CUES = 60


def stated(text: str) -> Extraction | None:
    """The last answer after a cue or `####` in `text`; a question is no answer."""
    best: Extraction | None = None
    cues = [m for m in _CUE.finditer(text) if not _NOT_AN_ANSWER.match(text, m.end(), m.end() + 60)]
    for match in reversed(cues[-_MAX_CUES:]):
        value, end = _behind(text, match.end())
        if value and not _NOT_AN_ANSWER.match(value[:60]):
            best = Extraction(value, "answer-is", end)
            break
    for match in _HASH.finditer(text):
        value = match[1].strip()
        if value and not _HEADING.match(value) and (best is None or match.end() > best.end):
            best = Extraction(value, "hash", match.end())
    return best


def _behind(text: str, start: int) -> tuple[str, int]:
    """What follows a cue up to the end of the sentence, with whole formulas; and where it ends."""
    rest = text[start : start + 2_000]
    lead = re.match(r"[\s*_:：>]*\n\s{0,3}[-•]\s|[\s*_:：>]*", rest)
    skipped = lead.end() if lead else 0
    quoted = re.match(r"\"([^\"\n]*)\"|`([^`\n]+)`", rest[skipped:])
    if quoted is None and text[:start].endswith('":'):
        quoted = re.match(r"([^,{}\n]+)", rest[skipped:])
    if quoted:
        return (quoted[1] or quoted[quoted.lastindex or 0]).strip(), start + skipped + quoted.end()
    bold = re.match(r"[\s:：]*\*\*\s*([^*\n]{1,200}[^*\n:：])\s*\*\*", rest)
    if bold and not rest[bold.end() : bold.end() + 1].isalnum():
        return bold[1].strip(" \t`"), start + bold.end()
    if rest[skipped : skipped + 3] == "```":
        skipped += 3 + len(re.match(r"\w*\s*", rest[skipped + 3 :])[0])  # type: ignore[index]
    rest = rest[skipped:]
    position = 0
    while True:
        span = MATH_SPAN.search(rest, position)
        stop = _STOP.search(rest, position)
        if stop is None:
            break
        if span is None or stop.start() <= span.start():
            if stop[0] in "?？":
                return "", start
            rest = rest[: stop.start()]
            break
        position = span.end()
    return plain(_REMARK.sub("", rest)), start + skipped + len(rest)


def plain(text: str) -> str:
    """`text` without markdown, quotes and what closes an object of JSON."""
    text = text.replace("**", "").strip(" \t*`_")
    if text.endswith("}") and text.count("{") < text.count("}"):
        text = text.rstrip("} \t")
    return text.strip(" \t\"'“”,，")
