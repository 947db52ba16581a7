"""Greedy decoding three ways over many problems at once: draft, target, and RSD."""

from __future__ import annotations

from dataclasses import dataclass, field

from tokenizers import Tokenizer

from demo_family.checking import is_solved
from demo_family.modeling import CausalLM, RewardModel
from demo_family.problems import STEP_SEPARATOR, Problem
from demo_family.sampling import CachedModel
from demo_family.tokenizer import prompt_of, reward_prompt_of

CAPACITY = 640
MAX_STEPS = 16


@dataclass
class Trajectory:
    """One problem's solution: its steps, who wrote each, and what every model processed.

    `tokens` counts each position of a model's text once (a prefix cache that never misses);
    `prm_tokens_per_step` counts the whole text again for every scored step.
    """

    problem: Problem
    steps: list[str] = field(default_factory=list)
    writers: list[str] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    prm_tokens_per_step: int = 0

    @property
    def correct(self) -> bool:
        return is_solved(self.problem, STEP_SEPARATOR.join(self.steps))


@dataclass
class _Row:
    text: list[int]
    prm_text: list[int]
    finished: bool = False


class Decoder:
    """The three models and a tokenizer, ready to solve batches of problems greedily."""

    def __init__(
        self, tokenizer: Tokenizer, draft: CausalLM, target: CausalLM, prm: RewardModel | None
    ) -> None:
        self.tokenizer, self.prm = tokenizer, prm
        self.writers = {"draft": draft, "target": target}

    def solve_alone(self, writer: str, problems: list[Problem]) -> list[Trajectory]:
        """Every problem solved by "draft" or "target" alone."""
        return self._solve(problems, writer, None)

    def solve_speculatively(self, problems: list[Problem], threshold: float) -> list[Trajectory]:
        """RSD: draft steps with a reward below `threshold` are written anew by the target."""
        return self._solve(problems, "draft", threshold)

    def _solve(
        self, problems: list[Problem], writer: str, threshold: float | None
    ) -> list[Trajectory]:
        encode, count = self.tokenizer.encode, len(problems)
        rows = [
            _Row(encode(prompt_of(p.question)).ids, encode(reward_prompt_of(p.question)).ids)
            for p in problems
        ]
        found = [Trajectory(problem) for problem in problems]
        names = ["draft", "target"] if threshold is not None else [writer]
        caches = {
            name: CachedModel(self.writers[name], self.tokenizer, count, CAPACITY) for name in names
        }
        scorer = None
        if threshold is not None:
            if self.prm is None:
                raise ValueError("speculative decoding needs a reward model")
            scorer = CachedModel(self.prm, self.tokenizer, count, CAPACITY)
        while going := [index for index, row in enumerate(rows) if not row.finished]:
            rejected = self._write(caches[writer], writer, rows, found, going, scorer, threshold)
            if rejected:
                self._write(caches["target"], "target", rows, found, rejected, None, None)
        for name, cache in [*caches.items(), ("prm", scorer)]:
            for trajectory, tokens in zip(found, cache.processed if cache else [], strict=False):
                trajectory.tokens[name] = tokens
        return found

    def _write(
        self,
        cache: CachedModel,
        writer: str,
        rows: list[_Row],
        found: list[Trajectory],
        indices: list[int],
        scorer: CachedModel | None,
        threshold: float | None,
    ) -> list[int]:
        """One step for each of `indices`; returns those whose step was rejected."""
        separator = cache.separator
        for index in indices:
            cache.rewind(index, len(rows[index].text) - 1)
        written = cache.generate_steps(
            indices, [rows[index].text for index in indices], [0.0] * len(indices)
        )
        rewards: list[float | None] = [None] * len(indices)
        if scorer is not None:
            texts = []
            for index, step in zip(indices, written, strict=True):
                texts.append([*rows[index].prm_text, *step.ids, separator])
                found[index].prm_tokens_per_step += len(texts[-1])
            rewards = list(scorer.rewards(indices, texts))
        rejected = []
        for index, step, reward in zip(indices, written, rewards, strict=True):
            row, trajectory = rows[index], found[index]
            if reward is not None:
                trajectory.rewards.append(reward)
                if threshold is not None and reward < threshold:
                    cache.rewind(index, len(row.text))
                    if scorer is not None:
                        scorer.rewind(index, len(row.prm_text))
                    rejected.append(index)
                    continue
            row.text += [*step.ids, separator]
            row.prm_text += [*step.ids, separator]
            trajectory.steps.append(self.tokenizer.decode(step.ids))
            trajectory.writers.append(writer)
            full = len(trajectory.steps) >= MAX_STEPS or len(row.text) > CAPACITY - 64
            row.finished = step.ended or full
        return rejected
