"""Controls for RSD, which show what its reward model contributes.

`RandomRouting` and `FirstSteps` show how much any mixture of the two models gains, `Oracle` how
often RSD's decisions were right in hindsight.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from rsd.decoding.acceptance import RULE_KEYS, Weighting
from rsd.decoding.candidates import together, write_candidate
from rsd.decoding.parts import BuiltIn
from rsd.decoding.response import Rules
from rsd.protocols import Generator, Scorer
from rsd.types import ROLES, Query, Step


@dataclass(frozen=True)
class RandomRouting(BuiltIn):
    """RSD without a reward model: each draft step is kept with `probability`."""

    roles = ("draft", "target")
    keys = ("probability",)
    label = "random p={probability:g}"
    judges_drafts = True

    draft: Generator
    target: Generator
    probability: float
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield draft steps, and after each rejected one the target's; nothing is scored."""
        response = self.rules.start(query)
        while not response.ended:
            draft = await response.write(self.draft, "draft")
            if response.chance(self.probability):
                yield response.keep("draft", draft)
            else:
                yield response.drop("draft", draft)
                yield response.keep("target", await response.write(self.target, "target"))


@dataclass(frozen=True)
class FirstSteps(BuiltIn):
    """The target writes the first `first_steps` (>= 0) steps, the draft the rest."""

    roles = ("draft", "target")
    keys = ("first_steps",)
    label = "first {first_steps} by target"

    draft: Generator
    target: Generator
    first_steps: int
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield the steps of one solution, all accepted."""
        response = self.rules.start(query)
        while not response.ended:
            if response.index < self.first_steps:
                yield response.keep("target", await response.write(self.target, "target"))
            else:
                yield response.keep("draft", await response.write(self.draft, "draft"))


@dataclass(frozen=True)
class Oracle(BuiltIn):
    """RSD that also has the target write every step, and scores it. `rsd.costs` derives which
    decisions were right in hindsight."""

    roles = ROLES
    keys = RULE_KEYS
    label = "oracle {rule}"
    judges_drafts = can_calibrate = True

    draft: Generator
    target: Generator
    scorer: Scorer
    weighting: Weighting
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield for every step the draft's and the target's, both scored, the kept one last."""
        response = self.rules.start(query)
        while not response.ended:
            draft, target = await together(
                (
                    write_candidate(response, self.draft, "draft", self.scorer),
                    write_candidate(response, self.target, "target", self.scorer),
                )
            )
            if response.chance(self.weighting(draft.reward)):
                yield target.drop(response)
                yield draft.keep(response)
            else:
                yield draft.drop(response)
                yield target.keep(response)
