"""Which token positions each model processed.

The steps of a trajectory form a tree (`StepRecord.continues`): candidates, samples and beams that
lost are branches of it. A position that several branches share is processed once, as with prefix
caching. All functions take the steps sorted by their index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rsd.records import StepRecord
from rsd.types import Source


def generator_positions(steps: Sequence[StepRecord], source: Source) -> int:
    """Positions that the model of `source` processed to write steps (discarded ones included), to
    grade them, and to tell how likely they are. For the last it reads its whole input each time,
    as vLLM does not use its prefix cache for requests that want log-probabilities of the prompt.
    A reward over all steps so far adds the question about each step that was not graded yet."""
    processed, tree = 0, _Tree(steps)
    graded: set[int] = set()
    for at, step in enumerate(steps):
        if step.source == source:
            processed += tree.extend(at, step.prompt_tokens, step.tokens) + step.wasted_tokens
        if step.likelihood_tokens and source == "target":
            tree.extend(at, step.prompt_tokens, step.tokens)
            processed += step.likelihood_tokens
        if step.score_tokens and step.score_role == source:
            length, prefix = tree.length(at), step.score_tokens - step.score_step_tokens
            graded.add(at)
            if step.score_extra_tokens:
                earlier = set(tree.before(at)) - graded
                processed += len(earlier) * (step.score_step_tokens - step.tokens)
                graded |= earlier
            if length is not None:  # it has read the step already, but not the question about it
                processed += max(0, step.score_tokens - length)
            else:
                question = step.score_step_tokens - step.tokens
                processed += tree.extend(at, prefix, step.tokens) + question
    return processed


def reward_model_positions(steps: Sequence[StepRecord]) -> int:
    """Positions that the reward model processed, each counted once. A first score in the middle of
    a branch counts its whole input, as the reward model may not have seen its beginning."""
    processed, tree = 0, _Tree(steps)
    for at, step in enumerate(steps):
        if step.score_tokens and step.score_role == "prm":
            own = step.score_step_tokens
            processed += tree.extend(at, step.score_tokens - own, own)
    return processed


class _Tree:
    """How far one model has processed each branch: the length of the input that ends with a step,
    by the place of the step in `steps`. The place of the prompt is None."""

    def __init__(self, steps: Sequence[StepRecord]) -> None:
        kept = {step.index: at for at, step in enumerate(steps) if step.accepted}
        named: dict[tuple[int, int], int] = {}
        for accepted in (
            True,
            False,
        ):  # of two with one number, only the rejected one is named
            places = (at for at, step in enumerate(steps) if step.accepted is accepted)
            named |= {(steps[at].index, steps[at].candidate): at for at in places}
        self._parents = [
            kept.get(step.index - 1)
            if step.continues is None
            else named.get((step.index - 1, step.continues))
            for step in steps
        ]
        self._lengths: dict[int | None, int] = {}

    def extend(self, at: int, prefix: int, own: int) -> int:
        """Process `prefix` and the step at `at`, of `own` tokens; return the new positions."""
        known = parent = self._parents[at]
        while known is not None and known not in self._lengths:
            known = self._parents[known]
        new = max(0, prefix - self._lengths.get(known, 0))
        self._lengths[parent] = prefix
        self._lengths[at] = prefix + own
        return new + own

    def before(self, at: int) -> Iterator[int]:
        """The places of the steps that the one at `at` continues, the newest first."""
        parent = self._parents[at]
        while parent is not None:
            yield parent
            parent = self._parents[parent]

    def length(self, at: int) -> int | None:
        """The length of the input that ends with the step at `at`; None if it is unprocessed."""
        return self._lengths.get(at)
