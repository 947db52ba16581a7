"""Both verdicts on a response, as far as strings, plain numbers and letters decide them.

Runs in the caller's process: imports no library for mathematics, and takes time linear in the
text. What is left undecided becomes a question to a worker process.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rsd.grading.compare.quick import compare_quickly
from rsd.grading.paper import quick_paper_verdict
from rsd.grading.reply.extract import extract
from rsd.grading.values.readings import answer_in_prose, is_broken
from rsd.grading.verdict import Options, Verdict
from rsd.kinds import AnswerKind

DEFAULT, PAPER = "default", "paper"
"""The two verdicts, as questions and answers name them."""


@dataclass(slots=True)
class Decision:
    """The verdicts on one response so far.

    default: `correct` and `how` of its `Verdict`; None while undecided.
    paper: its `correct_paper`; None while undecided.
    questions: by verdict, the arguments of `rsd.grading.workers.service` that decide it.
    """

    prediction: str | None
    source: str
    default: tuple[bool | None, str] | None = None
    paper: bool | None = None
    questions: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, answers: dict[str, Any]) -> None:
        """Record a worker's answers to some of the questions."""
        for name, answer in answers.items():
            del self.questions[name]
            if name == PAPER:
                self.paper = answer
            else:
                self.default = answer[0], f"{self.source}/{answer[1]}"

    def verdict(self, failure: str = "") -> Verdict:
        """The verdict. `failure` (`timeout`, `crash`) is why a question has no answer."""
        correct, how = self.default or (False, failure)
        how_paper = failure if self.paper is None else None
        return Verdict(self.prediction, correct, self.paper is True, how, how_paper)


def decide(
    response: str, gold: str, task: str, kind: AnswerKind, options: Options, with_paper: bool
) -> Decision:
    """Decide what needs no worker. Without `with_paper` the `paper` verdict is False."""
    found = extract(response, kind, options.choices)
    decision = Decision(found.text if found else None, found.source if found else "")
    if is_broken(gold):
        decision.default = None, "ungradable"
    elif found is None:
        decision.default = False, "no-answer"
    else:
        compared = compare_quickly(found.text, gold, kind, options)
        if compared is None or (not compared[0] and answer_in_prose(found.text)):
            decision.questions[DEFAULT] = [found.text, gold, kind.value, asdict(options)]
        else:
            decision.default = compared[0], f"{found.source}/{compared[1]}"
    decision.paper = quick_paper_verdict(response, gold, task) if with_paper else False
    if decision.paper is None:
        decision.questions[PAPER] = [response, gold, task]
    return decision
