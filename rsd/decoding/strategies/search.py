"""Search over steps with a process reward model: process best-of-n and beam search.

One model writes, the reward model chooses: the search that arXiv 2501.19324 compares RSD with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from rsd.decoding.candidates import (
    best,
    others,
    together,
    write_candidate,
    write_candidates,
)
from rsd.decoding.parts import BuiltIn
from rsd.decoding.response import Response, Rules
from rsd.protocols import Generator, Scorer
from rsd.types import Query, Source, Step


@dataclass(frozen=True)
class ProcessBestOfN(BuiltIn):
    """Every step is the best of `candidates` (>= 1)."""

    roles = ("prm",)
    keys = ("writer", "candidates")
    label = "process best of {candidates}, {writer}"

    writer: Generator
    scorer: Scorer
    source: Source
    candidates: int
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield for every step all its candidates, the best one last."""
        response = self.rules.start(query)
        while not response.ended:
            candidates = await write_candidates(
                response, self.writer, self.source, self.scorer, self.candidates
            )
            chosen = best(candidates)
            for loser in others(candidates, chosen):
                yield loser.drop(response)
            yield chosen.keep(response)


@dataclass(frozen=True, slots=True)
class _Beam:
    """A partial solution, its steps, and the reward of its last one."""

    response: Response
    steps: tuple[Step, ...] = ()
    reward: float = 0.0


@dataclass(frozen=True)
class BeamSearch(BuiltIn):
    """Keep the `beams` (>= 1) best partial solutions, and continue each with `candidates` (>= 1)
    next steps. A finished one stays until better ones displace it. With one beam this is
    `ProcessBestOfN`."""

    roles = ("prm",)
    keys = ("writer", "candidates", "beams")
    label = "beam {candidates}x{beams}, {writer}"

    writer: Generator
    scorer: Scorer
    source: Source
    beams: int
    candidates: int
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield steps once no beam has them, as rejected, and the best solution last."""
        beams = [_Beam(self.rules.start(query)) for _ in range(self.beams)]
        undecided: list[Step] = []
        while not all(beam.response.ended for beam in beams):
            finished = [beam for beam in beams if beam.response.ended]
            grown = await self._grow(beams)
            undecided += [beam.steps[-1] for beam in grown]
            ranked = sorted([*finished, *grown], key=lambda beam: beam.reward, reverse=True)
            beams = ranked[: self.beams]
            alive = {_place(step) for beam in beams for step in beam.steps}
            for step in undecided:
                if _place(step) not in alive:
                    yield replace(step, accepted=False, ends=None)
            undecided = [step for step in undecided if _place(step) in alive]
        solution = beams[0].steps
        kept = {_place(step) for step in solution}
        for step in undecided:
            if _place(step) not in kept:
                yield replace(step, accepted=False, ends=None)
        for step in solution:
            yield replace(step, continues=None)

    async def _grow(self, beams: Sequence[_Beam]) -> list[_Beam]:
        """All continuations of the unfinished `beams`."""
        count = self.candidates
        return await together(
            self._extend(beam, place * count + number)
            for place, beam in enumerate(beams)
            if not beam.response.ended
            for number in range(count)
        )

    async def _extend(self, beam: _Beam, number: int) -> _Beam:
        """`beam` continued with one further candidate."""
        candidate = await write_candidate(
            beam.response, self.writer, self.source, self.scorer, number
        )
        response = beam.response.fork()
        before = beam.steps[-1].candidate if beam.steps else None
        step = replace(candidate.keep(response), continues=before)
        return _Beam(response, (*beam.steps, step), candidate.reward)


def _place(step: Step) -> tuple[int, int]:
    """The identity of a step within a search: unfinished beams all have the same length."""
    return step.index, step.candidate
