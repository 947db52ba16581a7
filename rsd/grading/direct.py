"""Both verdicts on a response, as far as the given judges decide them.

A caller first decides what it can in its own process, with judges that import no library for
mathematics and take time linear in the text; a worker process decides the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from rsd.grading.extract import extract
from rsd.grading.paper import quick_paper_verdict
from rsd.grading.reading import answer_in_prose, is_broken
from rsd.grading.rules import quick
from rsd.grading.verdict import Options, Verdict
from rsd.kinds import AnswerKind

Judge = Callable[[str, str, AnswerKind, Options], tuple[bool, str] | None]
"""(answer, gold, kind, options) to whether they agree and by which rule; None: not decided."""

PaperJudge = Callable[[str, str, str], bool | None]
"""(response, gold, task) to the `paper` verdict; None: not decided."""

DEFAULT, PAPER = "default", "paper"
"""The two verdicts, as a job names those that it asks for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The prediction, and what is decided of the verdicts on it: `default` is `correct` and `how`
    of a `Verdict`, `paper` its `correct_paper`; each None while undecided."""

    prediction: str | None
    default: tuple[bool | None, str] | None
    paper: bool | None

    @property
    def undecided(self) -> list[str]:
        """The verdicts that are still to be asked for."""
        pairs = ((DEFAULT, self.default), (PAPER, self.paper))
        return [name for name, verdict in pairs if verdict is None]

    def joined(self, reply: dict[str, Any]) -> Decision:
        """This decision, and a worker's reply where it is open (`rsd.grading.service`)."""
        default, given = self.default, reply[DEFAULT]
        if default is None and given is not None:
            default = given[0], given[1]
        paper = reply[PAPER] if self.paper is None else self.paper
        return Decision(self.prediction, default, paper)

    def verdict(self, failure: str = "") -> Verdict:
        """The verdict. `failure` (`timeout`, `crash`) is why a part of it is undecided."""
        correct, how = self.default or (False, failure)
        how_paper = failure if self.paper is None else None
        return Verdict(self.prediction, correct, self.paper is True, how, how_paper)


def decide(
    response: str,
    gold: str,
    task: str,
    kind: AnswerKind,
    options: Options,
    judge: Judge,
    paper_judge: PaperJudge,
    wanted: Collection[str] = (DEFAULT, PAPER),
) -> Decision:
    """Decide the verdicts that are `wanted`, as far as the judges do; the others stay undecided."""
    found = extract(response, kind, options.choices)
    default: tuple[bool | None, str] | None = None
    if is_broken(gold):
        default = None, "ungradable"
    elif found is None:
        default = False, "no-answer"
    elif DEFAULT in wanted and (judged := judge(found.text, gold, kind, options)) is not None:
        default = judged[0], f"{found.source}/{judged[1]}"
    paper = paper_judge(response, gold, task) if PAPER in wanted else None
    return Decision(found.text if found else None, default, paper)


def decide_directly(
    response: str, gold: str, task: str, kind: AnswerKind, options: Options, with_paper: bool
) -> Decision:
    """What needs no worker: equal strings, plain numbers, letters. A `paper` verdict that is not
    asked for is False."""
    return decide(
        response,
        gold,
        task,
        kind,
        options,
        _quick_judge,
        quick_paper_verdict if with_paper else _refused,
    )


def _quick_judge(
    answer: str, gold: str, kind: AnswerKind, options: Options
) -> tuple[bool, str] | None:
    judged = quick(answer, gold, kind, options)
    if judged is None or (not judged[0] and answer_in_prose(answer)):
        return None
    return judged


def _refused(response: str, gold: str, task: str) -> bool:
    return False
