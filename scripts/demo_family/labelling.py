"""Solutions sampled from draft and target, every step labelled by exact checking.

The process reward model learns on what it will be asked about: the draft's next step after a
right prefix that draft and target wrote together. A wrong step ends one labelled solution, and
the target's step in its place continues another, so that wrong steps are seen at every depth.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from tokenizers import Tokenizer

from demo_family.checking import SolutionChecker
from demo_family.modeling import CausalLM
from demo_family.problems import Problem
from demo_family.sampling import CachedModel, GeneratedStep
from demo_family.tokenizer import prompt_of

TEMPERATURES = (0.0, 0.0, 0.0, 0.4, 0.7, 1.0)
MAX_STEPS = 14
CAPACITY = 480


@dataclass(frozen=True)
class LabelledSolution:
    """Steps as the model wrote them (ids without separator) with a verdict for each.

    `first_errors` has, for each step, how many of its tokens come before its first error: the
    number of its tokens for a right step, 0 for all that follows a wrong one.
    `writers` says who wrote each step, "draft" or "target". The steps before `first_new` stand in
    another solution of the same problem too.
    """

    question: str
    steps: tuple[tuple[int, ...], ...]
    verdicts: tuple[bool, ...]
    first_errors: tuple[int, ...]
    writers: tuple[str, ...]
    first_new: int = 0


def tokens_before_error(step: Sequence[int], expected: Sequence[int]) -> int:
    """How many first tokens of a wrong step agree with the expected one."""
    pairs = zip(step, expected, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@dataclass
class _Row:
    """One problem being solved while its steps are labelled."""

    problem: Problem
    temperature: float
    checker: SolutionChecker
    text: list[int]
    steps: list[tuple[int, ...]]
    verdicts: list[bool]
    first_errors: list[int]
    writers: list[str]
    finished: bool = False

    def labelled(self, first_new: int = 0) -> LabelledSolution:
        return LabelledSolution(
            self.problem.question,
            tuple(self.steps),
            tuple(self.verdicts),
            tuple(self.first_errors),
            tuple(self.writers),
            first_new,
        )

    def append(
        self, step: GeneratedStep, expected: list[int], verdict: bool, writer: str, separator: int
    ) -> None:
        """Add a step; `expected` is what the worked solution has in its place."""
        right = len(step.ids)
        if not verdict:
            broken = bool(self.verdicts) and not self.verdicts[-1]
            right = 0 if broken else tokens_before_error(step.ids, expected)
        self.first_errors.append(right)
        self.steps.append(tuple(step.ids))
        self.verdicts.append(verdict)
        self.writers.append(writer)
        self.text += [*step.ids, separator]
        too_long = len(self.steps) >= MAX_STEPS or len(self.text) > CAPACITY - 60
        self.finished = step.ended or too_long


class Labeller:
    """Samples labelled solutions of a batch of problems from a draft and a target."""

    def __init__(
        self,
        draft: CausalLM,
        target: CausalLM,
        tokenizer: Tokenizer,
        seed: int,
        temperatures: tuple[float, ...] = TEMPERATURES,
    ) -> None:
        self.models = {"draft": draft, "target": target}
        self.tokenizer, self.temperatures = tokenizer, temperatures
        self.rng = random.Random(f"{seed}:labelling")
        self.generator = torch.Generator().manual_seed(seed)

    def label(
        self, problems: list[Problem], keep_wrong: float = 0.15, target_alone: float = 0.1
    ) -> list[LabelledSolution]:
        """Solve every problem once; several labelled solutions may come from one problem.

        A wrong step of the draft stays with probability `keep_wrong`, else the target replaces
        it; with probability `target_alone` the target writes the whole solution.
        """
        rows = [self._row(problem) for problem in problems]
        alone = [self.rng.random() < target_alone for _ in rows]
        caches = {
            name: CachedModel(model, self.tokenizer, len(rows), CAPACITY)
            for name, model in self.models.items()
        }
        found: list[LabelledSolution] = []
        while True:
            going = [index for index, row in enumerate(rows) if not row.finished]
            if not going:
                return found + [row.labelled() for row in rows]
            rejected = [index for index in going if alone[index]]
            by_draft = [index for index in going if not alone[index]]
            for index, step in self._write("draft", caches, rows, by_draft):
                row, decoded = rows[index], self.tokenizer.decode(step.ids)
                expected = self.tokenizer.encode(row.checker.expected).ids
                checker = copy.deepcopy(row.checker)
                verdict = checker.check(decoded)
                if verdict or self.rng.random() < keep_wrong or row.checker.failed:
                    row.checker = checker
                    row.append(step, expected, verdict, "draft", caches["draft"].separator)
                    continue
                branch = copy.deepcopy(row)
                branch.append(step, expected, verdict, "draft", caches["draft"].separator)
                found.append(branch.labelled(first_new=len(row.steps)))
                caches["draft"].rewind(index, len(row.text))
                rejected.append(index)
            for index, step in self._write("target", caches, rows, rejected):
                row = rows[index]
                expected = self.tokenizer.encode(row.checker.expected).ids
                verdict = row.checker.check(self.tokenizer.decode(step.ids))
                row.append(step, expected, verdict, "target", caches["target"].separator)

    def _row(self, problem: Problem) -> _Row:
        text = self.tokenizer.encode(prompt_of(problem.question)).ids
        temperature = self.rng.choice(self.temperatures)
        return _Row(problem, temperature, SolutionChecker(problem), text, [], [], [], [])

    def _write(
        self, name: str, caches: dict[str, CachedModel], rows: list[_Row], indices: list[int]
    ) -> list[tuple[int, GeneratedStep]]:
        if not indices:
            return []
        cache = caches[name]
        for index in indices:
            cache.rewind(index, min(cache.lengths[index], len(rows[index].text) - 1))
        steps = cache.generate_steps(
            indices,
            [rows[index].text for index in indices],
            [rows[index].temperature for index in indices],
            self.generator,
        )
        return list(zip(indices, steps, strict=True))
