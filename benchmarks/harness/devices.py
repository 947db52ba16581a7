"""Three simulated devices of the paper's setting, problems for them, and two ways to decode these.

A 7B target, a 1.5B draft and a 1.5B reward model, each on a GPU of its own; how long each takes
for what is said by `harness.simulated_models`, on a virtual clock.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import mean
from types import SimpleNamespace
from typing import Any

from harness.simulated_models import (
    Device,
    Model,
    SimulatedEngine,
    SimulatedGenerator,
    SimulatedScorer,
)
from rsd.decoding import Limits, RewardGuidedSpeculativeDecoding, Rules
from rsd.decoding.acceptance import step as threshold
from rsd.prompts import render
from rsd.protocols import Generator, Sampling, Scorer
from rsd.records import TrajectoryRecord
from rsd.runs.concurrency import ConcurrencyLimiter
from rsd.runs.runner import decode_all
from rsd.testing import ByteTokenizer, ScriptedGenerator, ScriptedScorer
from rsd.types import Problem, Query

DELTA = 0.7
RULES = Rules(Limits(max_tokens=1 << 20, max_steps=100, max_repeats=5, context=1 << 20))

# config.json of Qwen2.5-Math-7B and -1.5B: 28 layers each, 4 and 2 heads of 128 for keys and as
# many for values, two bytes each.
MODEL_7B = Model(7.62e9, 28 * 2 * 4 * 128 * 2)
MODEL_1_5B = Model(1.54e9, 28 * 2 * 2 * 128 * 2)


@dataclass(frozen=True)
class Draws:
    """Where the problems come from. Token counts and steps are log-normal (median, sigma, least,
    most); the chance that a problem's draft steps are kept is beta."""

    seed: int = 0
    question: tuple[float, float, int, int] = (80, 0.5, 20, 400)
    steps: tuple[float, float, int, int] = (11, 0.45, 2, 40)
    step: tuple[float, float, int, int] = (40, 0.6, 5, 300)
    kept: tuple[float, float] = (6, 2)


@dataclass(frozen=True)
class Setting:
    """Three equal devices and the problems. `achieved` is the share of the device's peaks that
    servers reach, `overhead_s` what an iteration costs beside, and `round_trip_s` a request: three
    assumptions. `max_sequences` and `max_batched_tokens` are the defaults of vLLM
    0.32's API server for the device (vllm/engine/arg_utils.py)."""

    peak_flops: float
    peak_bandwidth: float
    memory_bytes: float
    max_sequences: int
    max_batched_tokens: int
    achieved: float = 0.6
    overhead_s: float = 1e-3
    round_trip_s: float = 5e-3
    draws: Draws = Draws()

    def engine(self, model: Model, *, prefix_cache: bool = True) -> SimulatedEngine:
        """A server of `model`."""
        device = Device(
            flops=self.achieved * self.peak_flops,
            bandwidth=self.achieved * self.peak_bandwidth,
            memory_bytes=self.memory_bytes,
            overhead_s=self.overhead_s,
        )
        return SimulatedEngine(
            device, model, prefix_cache, self.max_sequences, self.max_batched_tokens
        )


# NVIDIA's datasheets: bf16 operations (dense) and bytes a second of the SXM modules of 80 GB.
A100 = Setting(312e12, 2.039e12, 80e9, max_sequences=256, max_batched_tokens=2048)
H100 = Setting(989e12, 3.35e12, 80e9, max_sequences=1024, max_batched_tokens=8192)


@dataclass(frozen=True)
class Drawn:
    """A problem: its question, and for each of its steps the tokens that draft and target write
    there, and whether the draft's is kept."""

    question: str
    draft: tuple[int, ...]
    target: tuple[int, ...]
    kept: tuple[bool, ...]


class World:
    """`count` problems, and what the three models answer about them. A token is a byte."""

    def __init__(self, count: int, draws: Draws) -> None:
        self.problems = [self._draw(number, draws) for number in range(count)]

    def figures(self) -> dict[str, Any]:
        """What was drawn, as means and the most steps."""
        steps = [len(problem.draft) for problem in self.problems]
        return {
            "problems": len(self.problems),
            "steps": mean(steps),
            "most_steps": max(steps),
            "draft_tokens_a_step": sum(sum(p.draft) for p in self.problems) / sum(steps),
            "drafts_kept": sum(sum(p.kept) for p in self.problems) / sum(steps),
        }

    @staticmethod
    def _draw(number: int, draws: Draws) -> Drawn:
        dice = random.Random(f"{draws.seed} {number}")

        def tokens(median: float, sigma: float, least: int, most: int) -> int:
            return round(min(most, max(least, median * dice.lognormvariate(0, sigma))))

        chance = dice.betavariate(*draws.kept)
        steps = range(tokens(*draws.steps))
        return Drawn(
            question=f"problem {number} ".ljust(tokens(*draws.question), "?"),
            draft=tuple(tokens(*draws.step) for _ in steps),
            target=tuple(tokens(*draws.step) for _ in steps),
            kept=tuple(dice.random() < chance for _ in steps),
        )

    def writer(self, role: str) -> Callable[[str, Sampling], str]:
        """What `role` writes after a prefix: all that is left of the solution."""

        def write(prefix: str, sampling: Sampling) -> str:
            number = int(prefix.partition("problem ")[2].split()[0])
            problem = self.problems[number]
            lengths = problem.draft if role == "draft" else problem.target
            done = prefix.count("\n\n")
            return "\n\n".join(
                f"{index} {role} {number} ".ljust(length - 1, ".")[: length - 1]
                for index, length in enumerate(lengths[done:], done)
            )

        return write

    def reward(self, question: str, steps: Sequence[str]) -> float:
        """1 for a step that is to be kept, 0 for another."""
        return float(self.problems[int(question.split()[1])].kept[len(steps) - 1])


@dataclass
class Side:
    """Three servers, the strategy's parts on them, and what came of a run."""

    engines: dict[str, SimulatedEngine]
    draft: Generator
    target: Generator
    scorer: Scorer
    makespan_s: float = 0.0
    responses: dict[str, str] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Makespan, and of each server its busy share and its tokens."""
        servers = {
            role: asdict(engine.counters)
            | {
                "busy_share": engine.counters.busy_s / self.makespan_s,
                "tokens_an_iteration": (engine.counters.computed + engine.counters.generated)
                / engine.counters.iterations,
                "peak_share_of_memory": engine.distinct_tokens / engine.capacity_tokens,
            }
            for role, engine in self.engines.items()
        }
        return {"makespan_s": self.makespan_s, "servers": servers}

    @property
    def busiest(self) -> tuple[float, str]:
        """The largest busy share, and whose it is."""
        shares = {role: e.counters.busy_s / self.makespan_s for role, e in self.engines.items()}
        return max((share, role) for role, share in shares.items())


def servers(world: World, setting: Setting, *, prm_cache: bool = True) -> Side:
    """Fresh servers. Without `prm_cache` the reward model reads all of every solution each time,
    as token-wise rewards have it."""
    engines = {
        "draft": setting.engine(MODEL_1_5B),
        "target": setting.engine(MODEL_7B),
        "prm": setting.engine(MODEL_1_5B, prefix_cache=prm_cache),
    }
    tokenizer, delay = ByteTokenizer(), setting.round_trip_s

    def generator(role: str) -> SimulatedGenerator:
        scripted = ScriptedGenerator(world.writer(role), tokenizer=tokenizer, token_ids=True)
        return SimulatedGenerator(scripted, engines[role], delay)

    def read(question: str, steps: Sequence[str]) -> list[int]:
        return tokenizer.encode("\n\n".join([question, *steps, ""]))

    scorer = SimulatedScorer(ScriptedScorer(world.reward), engines["prm"], read, delay)
    return Side(engines, generator("draft"), generator("target"), scorer)


async def lock_step(side: Side, world: World) -> None:
    """The published phases: one batch to the draft, one to the reward model, one to the target,
    each over all problems and waited for as a whole."""
    queries = [
        Query(render("qwen25-math-cot", problem.question), problem.question)
        for problem in world.problems
    ]
    responses = [RULES.start(query) for query in queries]
    while active := [response for response in responses if not response.ended]:
        drafts = await asyncio.gather(*(r.write(side.draft, "draft") for r in active))
        scores = await asyncio.gather(
            *(
                side.scorer.score(response.query.question, response.with_candidate(draft))
                for response, draft in zip(active, drafts, strict=True)
            )
        )
        rejected = []
        for response, draft, score in zip(active, drafts, scores, strict=True):
            if score.reward >= DELTA:
                response.keep("draft", draft, score)
            else:
                rejected.append(response)
        rewritten = await asyncio.gather(*(r.write(side.target, "target") for r in rejected))
        for response, completion in zip(rejected, rewritten, strict=True):
            response.keep("target", completion)
    side.responses = {r.query.question: "\n\n".join(r.steps) for r in responses}
    side.makespan_s = asyncio.get_running_loop().time()


async def by_rsd(
    side: Side,
    world: World,
    in_flight: int,
    *,
    lookahead: int = 0,
    numbers: Sequence[int] | None = None,
) -> None:
    """`rsd`'s runner and strategy, with at most `in_flight` problems at a time; only the problems
    with these `numbers`, if they are given."""
    strategy = RewardGuidedSpeculativeDecoding(
        side.draft,
        side.target,
        side.scorer,
        weighting=threshold(DELTA),
        rules=RULES,
        lookahead=lookahead,
    )
    problems = [
        Problem("simulated", str(number), world.problems[number].question, gold="")
        for number in (range(len(world.problems)) if numbers is None else numbers)
    ]
    store = Kept()
    await decode_all(
        [(problem, 0) for problem in problems],
        strategy,
        store,  # type: ignore[arg-type]
        Ungraded(),  # type: ignore[arg-type]
        template="qwen25-math-cot",
        join="\n\n".join,
        seed=0,
        limiter=ConcurrencyLimiter(in_flight),
        on_graded=lambda trajectory, grade: None,
    )
    if failed := [t.error for t in store.trajectories if t.error]:
        raise RuntimeError(f"{len(failed)} problems failed, the first with: {failed[0]}")
    side.responses = {t.question: t.response for t in store.trajectories}
    side.makespan_s = asyncio.get_running_loop().time()


class Kept:
    """In place of a run directory: keeps the trajectories."""

    def __init__(self) -> None:
        self.trajectories: list[TrajectoryRecord] = []

    def append(self, record: object) -> None:
        """Keep it if it is a trajectory."""
        if isinstance(record, TrajectoryRecord):
            self.trajectories.append(record)


class Ungraded:
    """In place of the graders, which are processes and know no virtual time."""

    async def grade(self, *arguments: object, **options: object) -> Any:
        """No verdict."""
        return SimpleNamespace(
            prediction=None, correct=False, correct_paper=False, how="none", how_paper=None
        )
