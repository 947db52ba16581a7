"""Which part of a reply holds its answer: not the thinking, not later turns, not the small talk."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rsd.grading.normalize import last_match

MAX_SCANNED = 50_000  # characters at the end of a reply


@dataclass(frozen=True, slots=True)
class Section:
    """The part of a reply that answers. If it is `unfinished` thinking, only a box counts."""

    text: str
    unfinished: bool = False


_CHANNEL = re.compile(r"<\|channel\|>\s*final[^<]{0,40}<\|message\|>")
_TURN_END = re.compile(
    r"<\|(?:im_start|im_end|endoftext|eot_id|end|return|end_of_text)\|>|</s>|<(?:end_of_turn|eos)>"
    r"|<｜end▁of▁sentence｜>"
)
_NAME = r"(?:think|thinking|thought|thoughts|reasoning|reason|scratchpad|analysis|seed:think)"
_CLOSED = re.compile(
    rf"</\s*{_NAME}\s*>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|/think)\|>", re.IGNORECASE
)
_OPENED = re.compile(
    rf"<\s*{_NAME}\s*>|\[THINK\]|◁think▷|<\|(?:begin_of_thought|think)\|>", re.IGNORECASE
)
_TAG = re.compile(
    r"<\s*(/?)\s*(?:final[_ ]?)?(?:answer|solution|result|output)\s*>|\[(/?)ANSWER\]"
    r"|<\|(?:begin|(end))_of_solution\|>",
    re.IGNORECASE,
)


def answer_section(reply: str) -> Section:
    """The part of `reply` that answers, in time linear in its length."""
    text = _HTML.sub(r"\2", _own_turn(reply[-MAX_SCANNED:]))
    closed = last_match(_CLOSED, text)
    after = closed.end() if closed else 0
    opened = _OPENED.search(text, after)
    rest = text[after : opened.start()] if opened else text[after:]
    if not rest.strip():
        return Section(text, unfinished=bool(closed or opened))
    return _tagged(rest)


def _own_turn(text: str) -> str:
    """`text` up to the chat marker that ends the reply; the last channel named final."""
    channel = last_match(_CHANNEL, text)
    if channel:
        text = text[channel.end() :]
    if text.startswith(("<|im_start|>assistant", "<|im_start|>system")):
        text = text.split("\n", 1)[-1]
    marker = _TURN_END.search(text)
    if marker and text[: marker.start()].strip():
        text = text[: marker.start()]
    return text


def _tagged(text: str) -> Section:
    """The content of the last answer tag, which may lack its end; else all of `text`."""
    start = end = -1
    content = ""
    for match in _TAG.finditer(text):
        if any(match.groups()):
            if start >= 0 and text[start : match.start()].strip():
                content, end = text[start : match.start()], match.end()
            start = -1
        else:
            start = match.end()
    if start >= 0 and text[start:].strip():
        return Section(text[start:])
    if content and "\\boxed" not in text[end:]:
        return Section(content)
    return Section(text)


_HTML = re.compile(r"<(b|strong|em|i|u|code|span|p)>([^<>]{0,300})</\1>")
_PARAGRAPHS = re.compile(r"\n\s*\n")
_BRACKETED = re.compile(r"(?<=[.!?]) ?\([A-Z][^()\n]{0,300}[.!?]\)")  # a sentence of its own
_ASIDE = re.compile(
    r"(?i)^[\s*_#>(✅✔️-]*(?:check(?:ing)?|verification|verify(?:ing)?|to (?:verify|check|"
    r"confirm)|note|p\.?s|"
    r"sanity check|double[- ]check|let'?s (?:verify|check)|we can (?:verify|check)|remark|"
    r"disclaimer|"
    r"this assumes|assum(?:ing|ption)|check the work|检验|验证|验算|注|说明|проверка|"
    r"примечание|検算|確認|確かめ)\b\**\s*[:：,.\s]"
)
_SMALL_TALK = re.compile(
    r"(?i)(?:^|(?<=[.!?。！？\n]))[\s*_#>-]{0,6}(?:let me know|if you (?:have|need|want|would|'d|"
    r"like|prefer|wish)|"
    r"feel free|(?:i )?hope (?:this|that|it)|i hope|would you like|do you (?:have|want|need)|"
    r"(?:i am|i'm) happy|"
    r"happy to|is there anything|anything else|please (?:let|feel|tell)|thanks|thank you|good luck|"
    r"have a (?:nice|great)|just ask|ask me|shall i|want me to|"
    r"如果(?:你|您|还有|需要)|希望|还有|если у вас|надеюсь|もし|何か|ご不明|お役に)(?![a-z])"
)


def without_talk(text: str) -> str:
    """`text` without checks, notes, and the small talk that ends a reply."""
    starts = (match.start() for match in _SMALL_TALK.finditer(text))
    text = text[: next((start for start in starts if text[:start].strip()), None)]
    text = _BRACKETED.sub("", text)
    paragraphs = _PARAGRAPHS.split(text)
    kept = [p for p in paragraphs if p.strip() and not _ASIDE.match(p)]
    return "\n\n".join(kept) if kept else text
