"""Values that a reply denies or withdraws: "not 3", "A is wrong", "wait, no"."""

from __future__ import annotations

import re

from rsd.grading.normalize import last_match

# A number or an option, with the signs around it.
_OPTION = r"(?:\(?[A-HJ]\)?|\([a-j]\))(?![A-Za-z'’])"
_VALUE = (
    r"[\s*_$`\\({]{0,6}(?:boxed\s?\{)?[\s*$(]{0,6}"
    rf"(?:[-+]?[$€£]?\d(?:[\d,./]{{0,20}}\d)?|(?:option |choice )?{_OPTION})[\s*)$}}%]{{0,6}}"
)
_OPTION_AT = rf"[\s*_$`\\({{]{{0,6}}(?:option |choice )?{_OPTION}[\s*)$}}]{{0,6}}"
_VALUES = rf"(?<![\w.,^/]){_VALUE}(?:(?:,|and|or|&){_VALUE}){{0,4}}"
_OPTIONS = rf"(?<![\w.,^/]){_OPTION_AT}(?:(?:,|and|or|&){_OPTION_AT}){{0,4}}"
# The rest of a clause, and of a sentence up to its turn.
_CLAUSE = r"(?:(?!\b(?:and|so|but|while|whereas|hence|therefore|thus)\b)[^.,;\n]){0,60}"
_SENTENCE = r"[^.;\n]{0,80}?(?=,? (?:but|however|so|therefore)\b|[.;\n]|$)"

_NOT = (
    r"not|isn['’]?t|aren['’]?t|wasn['’]?t|cannot be|can['’]?t be|can not be|couldn['’]t be|"
    r"won['’]t be"
    r"|never|neither|nor(?: (?:is|are) (?:it|they))?|instead of|rather than|as opposed to|unlike"
)
_DEGREE = r"(?: (?:simply|just|equal to|equal|actually|the answer|be|necessarily|exactly))?"
_NO_BELIEF = (
    r"(?:don['’]?t|do not|doesn['’]?t|cannot|can['’]?t|never|would not|wouldn['’]t) "
    r"(?:think|believe|agree|accept|say|claim|conclude|recommend|choose|pick|seem)\b|i doubt\b"
    r"|\bit(?: is|['’]s) (?:false|wrong|incorrect|untrue|unlikely|impossible|not true|"
    r"not the case)\b"
)
_OTHERS_BELIEF = (
    r"\b(?:(?:one|you|someone) (?:might|may|could|would|will)|(?:some|many|others)(?: \w+)?)"
    r"(?: be tempted to| often| might| may| would| could)?"
    r" (?:think|say|guess|expect|assume|believe|conclude|answer|claim)s?\b"
)
_IF = r"\bif\b[^.;\n]{0,100}?\bwould(?: have)? be(?:en)?\b"
_BE = r"is|are|was|were|be|would be|must be|looks?|seems?|do|does|has|have|can"
_ADVERB = r"(?: (?:\w+ly|also|all|both|just))?"
_BAD = (
    r"wrong|incorrect|false|not|impossible|invalid|too|out|ruled|excluded|eliminated|unreasonable"
    r"|inconsistent|unphysical|irrelevant|a trap|a distractor|a common|tempting|rejected|off"
)
_FAILS = (
    r"(?:fail|violate|contradict|ignore|overestimate|underestimate|neglect|reverse|forget)s?"
    r"|do(?:es)? not|don['’]?t|doesn['’]?t|isn['’]?t|aren['’]?t|cannot|can['’]?t"
)
_DISMISS = r"rul(?:e|es|ed|ing) out|eliminat\w+|exclud\w+|reject\w*|discard\w*|dismiss\w*"
_MARK = r"(?:no|not|too|wrong|incorrect|false|impossible|fails?|❌|✗|✘|×)(?![A-Za-z])"
_EASTERN_WRONG = r"ではない|ではなく|ではありません|は誤り|"
_EASTERN_WRONG += r"错误|错|不对|不正确|不成立|不符|неверн\w*|неправильн\w*"
_DENIED = re.compile(
    "|".join(
        (
            rf"(?i:\b(?:{_NOT}){_DEGREE}) {_VALUE}",
            rf"(?i:\b(?:{_DISMISS}) ){_OPTION_AT}(?:(?:,|and|or|&){_OPTION_AT}){{0,4}}",
            rf"(?i:\b(?:{_NO_BELIEF}|{_OTHERS_BELIEF}|{_IF}){_SENTENCE})",
            rf"(?:\b[Oo]ptions?\b|\b[Cc]hoices?\b|\b[Aa]nswers?\b)?{_OPTIONS}"
            rf"(?i:(?:(?:{_BE})\b{_ADVERB} ?(?:be )?(?:{_BAD})|{_FAILS})\b{_CLAUSE})",
            rf"{_VALUES}(?i:(?:is|was|would be|must be|seems|looks)\b{_ADVERB} "
            rf"(?:{_BAD})\b{_CLAUSE})",
            rf"(?i:(?<!\w)(?:(?:option|choice) [a-j]\)?\s?[:,-]|\(?[a-j]\)|"
            rf"[a-j][.:])[\s*]{{0,4}}{_MARK}"
            rf"{_CLAUSE})",
            r"(?:不是|并非|而不是|不可能是|不等于|而非|не)\s*(?:选项)?[\s$*]{0,4}"
            r"(?:[A-J](?![A-Za-z])|\d[\d,.]*)",
            rf"(?:选项)?(?:[A-J]|\d[\d.,]*)\s?(?:选项)?是?(?:{_EASTERN_WRONG})",
        )
    )
)
_HINT = re.compile(
    rf"(?i)\b(?:{_NOT}|{_BAD}|{_FAILS}|{_DISMISS}|would|might|may|doubt|some|many|others|no)\b|n['’]t\b|[❌✗✘×]"
    r"|[\u0400-\u9fff]"
)


def without_denied(text: str) -> str:
    """`text` with denied values and options blanked out; positions stay the same."""
    if not _HINT.search(text):
        return text
    return _DENIED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


_TURN = re.compile(
    r"(?:^|(?<=[.!?。！？\n*_-])|(?<=[.!?]\s))[\s*_—–-]{0,8}(?i:(?:but |oh,? |hmm,? |"
    r"no,? )?wait\b|hmm\b"
    r"|hold on|actually,|correction\b|oops|sorry,|my mistake|scratch that|on second thought"
    r"|no, (?:that|it|the)|let me (?:re-?check|redo|recompute|recalculate|reconsider|re-?examine"
    r"|double[- ]check|check again|correct|fix)|i (?:made|misread|miscounted|(?:need|must|have|"
    r"should) "
    r"(?:to )?correct)|after (?:re)?checking|rechecking|re-?evaluating"
    r"|(?:but )?(?:that|this)(?:['’]s| is) (?:wrong|not right|incorrect)"
    r"|等等|不对|更正|重新|подождите|стоп|исправл|いや|待って|訂正)"
)
_WITHDRAWN = re.compile(
    r"(?i)\b(?:that|this|it)(?:['’]s| is| was| can['’]?t be| cannot be) ?(?:clearly |obviously )?"
    r"(?:wrong|not right|incorrect|not correct|a mistake|an error|impossible)|i made (?:a|an) "
    r"(?:mistake|error)|不对|неверно"
)


def correction(text: str, start: int) -> str | None:
    """What a reply says after its last change of mind past `start`, or None without one."""
    last = last_match(_TURN, text, start)
    return None if last is None else text[last.end() :] or " "


def withdraws(text: str, start: int) -> bool:
    """Whether the reply, past `start`, calls what it said before wrong."""
    return bool(_WITHDRAWN.search(text, start))
