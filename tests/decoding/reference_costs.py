"""A count of positions of its own, by brute force: what models with perfect prefix caches read
and write, told from token ids and texts instead of from the tree of steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from decoding.worlds import PROMPT, World

from rsd.testing import ByteTokenizer
from rsd.testing.scripted import ScorerCall
from rsd.types import Score, Source, Step, Usage

QUESTION_TOKENS = 7
"""What `Judge` asks about a step, in tokens."""


def written_positions(steps: Iterable[Step], source: Source) -> int:
    """Positions that the model of `source` processes to write steps and to tell likelihoods: of
    each prompt what comes after the longest input it has seen that the prompt begins with, and
    all that it generates. What it reads to tell a likelihood is never cached."""
    seen: set[tuple[int, ...]] = {()}
    processed = 0
    for step in sorted(steps, key=lambda step: step.index):
        prompt, ids = step.completion.prompt_token_ids, step.completion.token_ids
        assert prompt is not None
        assert ids is not None
        asked = step.likelihood is not None and source == "target"
        if step.source == source:
            known = max(len(ids) for ids in seen if prompt[: len(ids)] == ids)
            processed += len(prompt) - known + len(ids)
        if asked:
            processed += len(prompt) + len(ids)
        if step.source == source or asked:
            seen |= {prompt, prompt + ids}
    return processed


def scored_positions(calls: Iterable[ScorerCall]) -> int:
    """Positions that the reward model of a `World` processes: of each input what comes after the
    longest one that it has seen, whole or without its last step."""
    seen: dict[tuple[str, ...], int] = {}
    processed = 0
    for call in sorted(calls, key=lambda call: len(call.steps)):
        texts = (call.question, *call.steps)
        starts = [texts[:count] for count in range(1, len(texts) + 1)]
        length, own = (sum(len(text.encode()) for text in part) for part in (texts, texts[-1:]))
        processed += length - max((seen[start] for start in starts if start in seen), default=0)
        seen |= {texts: length, texts[:-1]: length - own}
    return processed


def check_that_all_is_counted(world: World, steps: list[Step]) -> None:
    """Each token that the models of `world` were seen to write or read is in `steps` once."""
    for source, model in (("draft", world.draft), ("target", world.target)):
        usages = [step.completion.usage for step in steps if step.source == source]
        counted = sum(usage.completion_tokens + usage.wasted_tokens for usage in usages)
        calls = (*model.calls, *model.stream_calls)
        assert counted == sum(call.tokens for call in calls), source
    likelihoods = [step for step in steps if step.likelihood is not None]
    told = [call for call in world.target.likelihood_calls if call.outcome == "answered"]
    assert len(likelihoods) == len(told)
    scores = [step.score for step in steps if step.score is not None]
    given = [call for call in world.scorer.calls if call.outcome == "answered"]
    read = sum(len(text.encode()) for call in given for text in (call.question, *call.steps))
    assert sum(score.usage.prompt_tokens for score in scores) == read


class Judge:
    """The target as a judge: it reads prompt, steps and a question about the last of them.
    `rewards` are by a hash of the steps; `judged` are the steps of each request."""

    def __init__(self) -> None:
        self.judged: list[tuple[str, ...]] = []

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        self.judged.append(tuple(steps))
        read = len(PROMPT) + sum(map(_length, steps)) + QUESTION_TOKENS
        own = _length(steps[-1]) + QUESTION_TOKENS
        reward = sum(steps[-1].encode()) % 100 / 99
        return Score(reward, Usage(1, read, 0, 1), own, 0.0, 0.0, role="target")


def judging_positions(steps: Iterable[Step], judged: Iterable[tuple[str, ...]]) -> int:
    """Positions of a target that writes and judges: each step of each distinct beginning of a
    solution once, and the question once for each solution so far that was judged."""
    solutions = set(judged)
    read = {part[:count] for part in solutions for count in range(1, len(part) + 1)}
    for step in steps:
        if step.source == "target":
            assert step.completion.prompt_token_ids is not None
            before = ByteTokenizer().decode(step.completion.prompt_token_ids)
            texts = (*before.removeprefix(PROMPT).split("\n\n")[:-1], step.text)
            read |= {texts[:count] for count in range(1, len(texts) + 1)}
    prompt = len(PROMPT) if read else 0
    return prompt + sum(_length(part[-1]) for part in read) + QUESTION_TOKENS * len(solutions)


def _length(text: str) -> int:
    """Tokens of a step, with the one that ends it."""
    return len(text.encode()) + 1
