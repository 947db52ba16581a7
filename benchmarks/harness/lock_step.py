"""The published program's way of decoding, restated as plainly as possible to compare with.

All problems in lock-step: the draft writes one step of every unfinished problem, the reward model
scores them, the target rewrites the rejected ones. Written from the facts that
docs/paper-profile.md lists; its loop shares no code with the rest of `rsd`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from rsd.backends import load_tokenizer
from rsd.config import Config
from rsd.types import Role

PROMPT = (
    "<|im_start|>system\n"
    "Please reason step by step, and put your final answer within \\boxed{{}}.<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
STOP = "\n\n"


@dataclass
class Model:
    """A server by its root URL and served name, and the transformers tokenizer of its model."""

    url: str
    name: str
    tokenizer: Any

    def count(self, text: str) -> int:
        """Tokens of `text`, without special tokens."""
        return len(self.ids(text))

    def ids(self, text: str) -> list[int]:
        """Token ids of `text`, without special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))


@dataclass
class Entry:
    """One candidate step: its number from 1, who wrote it, and what came of it. `tokens` are the
    paper's count, `generated` the server's."""

    number: int
    writer: str
    text: str
    reward: float | None
    kept: bool
    tokens: int
    generated: int


@dataclass
class Solution:
    """One problem and how far it has come. `cut` says that patience ended it."""

    question: str
    text: str = ""
    entries: list[Entry] = field(default_factory=list)
    finished: bool = False
    cut: bool = False

    @property
    def prompt(self) -> str:
        """What the models continue."""
        return PROMPT.format(self.question) + self.text

    @property
    def response(self) -> str:
        """The steps so far, trimmed of white space at both ends."""
        return self.text.strip()


@dataclass
class Written:
    """What one request wrote, `generated` tokens."""

    text: str
    stopped: bool  # at the stop string, so that the solution goes on
    generated: int


@dataclass
class LockStep:
    """The settings of one run. `patience` None never cuts.

    With `token_wise` the reward model's server is asked for the reward of every token of every
    solution, as the published program asks; it must be started with token-wise pooling, for which
    vLLM has no prefix cache. Without, for that of the last token, which is the same reward.
    """

    draft: Model
    target: Model
    prm: Model
    threshold: float = 0.7
    cap: int = 4096
    max_steps: int = 100
    patience: int | None = None
    token_wise: bool = False

    @classmethod
    def of(cls, config: Config) -> LockStep:
        """On the servers of `config`, with its threshold and limits."""

        def model(role: Role) -> Model:
            it = config.models.role(role)
            return Model(it.endpoint.removesuffix("/v1"), it.served_name, load_tokenizer(it.model))

        return cls(
            model("draft"),
            model("target"),
            model("prm"),
            threshold=config.decoding.threshold,
            cap=config.decoding.max_tokens,
            max_steps=config.decoding.max_steps,
        )

    def solve(self, questions: Sequence[str]) -> list[Solution]:
        """Decode all `questions` together."""
        solutions = [Solution(question) for question in questions]
        with httpx.Client(timeout=600) as self.client:
            self.lock_step(solutions)
        return solutions

    def lock_step(self, solutions: Sequence[Solution]) -> None:
        idle = 0
        for number in range(1, self.max_steps + 1):
            active = [s for s in solutions if not s.finished and not s.cut]
            if not active:
                return
            self.advance(number, active)
            idle = 0 if any(s.finished for s in active) else idle + 1
            if idle == self.patience:
                for solution in active:
                    solution.cut = True

    def advance(self, number: int, active: Sequence[Solution]) -> None:
        """Write step `number` of every active solution."""
        drafts = self.write(self.draft, active)
        rewards = self.score(active, drafts)
        rejected = []
        for solution, written, reward in zip(active, drafts, rewards, strict=True):
            kept = reward >= self.threshold
            self.log(number, solution, "draft", written, reward, kept)
            if not kept:
                rejected.append(solution)
        for solution, written in zip(rejected, self.write(self.target, rejected), strict=True):
            self.log(number, solution, "target", written, None, True)

    def log(
        self,
        number: int,
        solution: Solution,
        writer: str,
        written: Written,
        reward: float | None,
        kept: bool,
    ) -> None:
        model = self.draft if writer == "draft" else self.target
        tokens = model.count(written.text + STOP)
        solution.entries.append(
            Entry(number, writer, written.text, reward, kept, tokens, written.generated)
        )
        if kept:
            solution.text += written.text + STOP
            full = max(m.count(solution.prompt) for m in (self.draft, self.target)) >= self.cap
            solution.finished = not written.stopped or full or number == self.max_steps

    def write(self, model: Model, solutions: Sequence[Solution]) -> list[Written]:
        if not solutions:
            return []
        body = {
            "model": model.name,
            "prompt": [solution.prompt for solution in solutions],
            "max_tokens": self.cap,
            "temperature": 0,
            "top_p": 1,
            "stop": [STOP],
            "return_token_ids": True,
        }
        answer = self.client.post(f"{model.url}/v1/completions", json=body)
        answer.raise_for_status()
        choices = sorted(answer.json()["choices"], key=lambda choice: choice["index"])
        return [
            Written(choice["text"], choice["stop_reason"] == STOP, len(choice["token_ids"]))
            for choice in choices
        ]

    def score(self, solutions: Sequence[Solution], drafts: Sequence[Written]) -> list[float]:
        inputs = [
            self.prm_input(solution.question, solution.text + draft.text)
            for solution, draft in zip(solutions, drafts, strict=True)
        ]
        body = {"model": self.prm.name, "input": inputs}
        route = "pooling" if self.token_wise else "classify"
        answer = self.client.post(f"{self.prm.url}/{route}", json=body)
        answer.raise_for_status()
        data = sorted(answer.json()["data"], key=lambda item: item["index"])
        if self.token_wise:  # a row a token, and in it the probability of the one class
            return [float(item["data"][-1][0]) for item in data]
        return [float(item["probs"][0]) for item in data]

    def prm_input(self, question: str, response: str) -> list[int]:
        separator = self.prm.ids(STOP)[-1]
        ids = self.prm.ids(self.prm.tokenizer.bos_token + question + "\n")
        for step in response.split(STOP):
            if step != "":
                ids += self.prm.ids(step)
            ids.append(separator)
        return ids
