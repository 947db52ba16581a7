"""A toy draft, target and reward model for the fake servers: deterministic, instant, and right or
wrong in a way that shows what RSD does.

It knows worked solutions by their questions, and makes up a chain of sums for any other. The
target writes the solution. The draft gets one step of some solutions wrong, and whoever goes on
from a wrong step ends at a wrong answer. The reward model sees wrong steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2s
from pathlib import Path

from rsd.errors import ConfigError
from rsd.protocols import Sampling
from rsd.tasks import Task, completed, get_task, read_table

_SEPARATOR = "\n\n"
_ANSWER = re.compile(
    r"<\|im_start\|>assistant\n|<\|start_header_id\|>assistant<\|end_header_id\|>\n\n|\[assistant\]\n"
)
_CHAT = re.compile(r".*<\|im_start\|>user\n(.*?)<\|im_end\|>\n<\|im_start\|>assistant\n", re.S)
_SPECIAL = re.compile(r"<\|\w+\|>")
_CALCULATION = re.compile(r"<<.*?>>")
_NUMBER = re.compile(r"\d+")
_SUM = re.compile(r"(\d+) \+ (\d+) = (\d+)")
_BOXED = re.compile(r"\\boxed\{(.*)\}")


class ToyReasoner:
    """What the fake servers write and how they score.

    `solutions` maps a question to the steps of its worked solution, the last one with the answer
    in `\\boxed{}`. `draft_errors` in [0, 1] is the share of problems that the draft gets wrong.
    """

    def __init__(
        self, solutions: Mapping[str, Sequence[str]] | None = None, *, draft_errors: float = 0.5
    ) -> None:
        self._solutions = {question.strip(): list(s) for question, s in (solutions or {}).items()}
        self._draft_errors = draft_errors

    def draft(self, prompt: str, sampling: Sampling) -> str:
        """The rest of the draft's answer after `prompt`. With a temperature, which problems it
        gets wrong, and where, depends on the seed too."""
        question, answer = self._split(prompt)
        luck = (question, sampling.seed if sampling.temperature else None)
        solution = self._solution(question)
        fails = _fraction("fails", *luck) < self._draft_errors
        return _continue(answer, solution, _index(len(solution), *luck) if fails else None)

    def target(self, prompt: str, sampling: Sampling) -> str:
        """The rest of the target's answer after `prompt`."""
        question, answer = self._split(prompt)
        return _continue(answer, self._solution(question), None)

    def logprob(self, prompt: str, token: str) -> float:
        """Log-probability of `token` after `prompt`, in (-0.5, 0]; it knows no right or wrong."""
        return -0.5 * _fraction("logprob", prompt[-40:], token)

    def reward(self, text: str) -> float:
        """Reward of the newest step of `text`, which is a question and steps that each end in a
        blank line: at least 0.75 for a right step, at most 0.45 for a wrong one."""
        text = _SPECIAL.sub("", text).removesuffix(_SEPARATOR)
        luck = _fraction("reward", text)
        return 0.75 + 0.24 * luck if self._is_right(text) else 0.05 + 0.4 * luck

    def _is_right(self, text: str) -> bool:
        newest = text.rpartition(_SEPARATOR)[2]
        for question, solution in self._solutions.items():
            if question in text:
                return newest.rpartition("\n")[2] in {s.rpartition("\n")[2] for s in solution}
        sums = _SUM.findall(newest)
        boxed = _BOXED.findall(newest)
        earlier = _NUMBER.findall(text.removesuffix(newest))
        return (
            newest.strip() != ""
            and all(int(a) + int(b) == int(c) for a, b, c in sums)
            and all(number in earlier for number in boxed)
        )

    def _split(self, prompt: str) -> tuple[str, str]:
        """Question and answer so far, of a chat or of a bare question and a blank line."""
        turns = list(_ANSWER.finditer(prompt))
        if not turns:
            question, _, answer = prompt.partition(_SEPARATOR)
            return question, answer
        asked, answer = prompt[: turns[-1].start()], prompt[turns[-1].end() :]
        known = next((question for question in self._solutions if question in asked), None)
        match = _CHAT.match(prompt)
        return known or (match[1] if match else asked), answer

    def _solution(self, question: str) -> list[str]:
        return self._solutions.get(question.strip()) or _made_up(question)


def load_solutions(tasks: Iterable[Task | str], data_dir: Path) -> dict[str, list[str]]:
    """Worked solutions by question, from the local files of benchmarks.

    Empty where there is no file, or where its rows have no worked solution ending in the gold
    value. Raises `ConfigError` for a file that cannot be read.
    """
    solutions: dict[str, list[str]] = {}
    for task in tasks:
        task = get_task(task) if isinstance(task, str) else task
        path = task.local_file(data_dir)
        if not path.exists():
            continue
        table = read_table(path)
        task = completed(task, table)
        try:
            for row in table.rows:
                worked = str(row.get("solution", row.get("answer", "")))
                solutions[task.question(row)] = worked_steps(worked, task.gold(row))
        except (ValueError, KeyError) as error:
            raise ConfigError(f"{path}: not rows of {task.name}: {error!r}") from error
    return solutions


def worked_steps(worked: str, gold: str) -> list[str]:
    """Steps of a GSM8K-like worked solution, one a line, and a last one with the boxed gold."""
    body = _CALCULATION.sub("", worked).partition("####")[0]
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    return [*(line for line in lines if "\\boxed" not in line), f"The answer is \\boxed{{{gold}}}."]


def _continue(answer: str, solution: Sequence[str], wrong_at: int | None) -> str:
    """The solution from where `answer` is, with the step `wrong_at` and all after it wrong. Where
    `answer` has left the solution all is wrong; where it passed `wrong_at` rightly, nothing."""
    *done, begun = answer.split(_SEPARATOR)
    if done != list(solution[: len(done)]):
        wrong_at = len(done)
    elif wrong_at is None or wrong_at < len(done):
        wrong_at = len(solution)
    rest = [
        _corrupt(step) if index >= wrong_at else step
        for index, step in enumerate(solution)
        if index >= len(done)
    ]
    return _SEPARATOR.join(rest).removeprefix(begun)


def _corrupt(step: str) -> str:
    """`step` with another last number."""
    numbers = list(_NUMBER.finditer(step))
    if not numbers:
        return step + " Or so."
    last = numbers[-1]
    off = int(last[0]) + 1 + _index(8, step)
    return f"{step[: last.start()]}{off}{step[last.end() :]}"


def _made_up(question: str) -> list[str]:
    """Three to six steps of sums and a boxed total."""
    total = 1 + _index(50, "start", question)
    steps = []
    for k in range(3 + _index(4, "steps", question)):
        term = 1 + _index(99, "term", k, question)
        steps.append(f"Step {k + 1}: {total} + {term} = {total + term}.")
        total += term
    return [*steps, f"The answer is \\boxed{{{total}}}."]


def _fraction(*parts: object) -> float:
    """A number in [0, 1) that the parts determine."""
    digest = blake2s("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def _index(size: int, *parts: object) -> int:
    return int(_fraction(*parts) * size)
