"""A made-up world to decode in: what the models write, its rewards, and which answers are right
are all decided by a hash, so that a run at any threshold can be made and compared."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from analysis.made_up_runs import grade, solution

from rsd.config import parse
from rsd.records import Manifest, RunRecord, StepRecord, TrajectoryRecord


def chance(*parts: object) -> float:
    """A number in [0, 1) that only `parts` decide."""
    return int(sha256(repr(parts).encode()).hexdigest()[:8], 16) / 2**32


@dataclass(frozen=True)
class World:
    """`agreement`: how often the target writes the draft's step."""

    seed: int = 0
    problems: int = 12
    agreement: float = 0.3

    def decode(self, problem: int, threshold: float, oracle: bool = False) -> TrajectoryRecord:
        """RSD, or its oracle, on one problem: two to four steps."""
        records: list[StepRecord] = []
        response: tuple[str, ...] = ()
        while len(response) < 2 or (len(response) < 4 and chance(self.seed, response) < 0.7):
            at, here = len(response), (self.seed, problem, response)
            draft = f"step {chance('draft', *here):.6f}"
            other = f"step {chance('target', *here):.6f}"
            target = draft if chance("agree", *here) < self.agreement else other
            reward = round(chance("reward", *here), 2)
            kept = reward >= threshold
            records.append(step(at, "draft", draft, kept, reward))
            if oracle:
                records.append(step(at, "target", target, not kept, chance("better", *here)))
            elif not kept:
                records.append(step(at, "target", target, True))
            response = (*response, draft if kept else target)
        return solution(str(problem), records)

    def run(self, threshold: float, oracle: bool = False) -> RunRecord:
        """All problems at `threshold`."""
        its = [self.decode(problem, threshold, oracle) for problem in range(self.problems)]
        rights = [chance(self.seed, it.problem_id, it.response) < 0.5 for it in its]
        return run_of(its, rights, threshold, "oracle" if oracle else "rsd")


def step(index: int, source: str, text: str, kept: bool, reward: float | None = None) -> StepRecord:
    return StepRecord.model_validate(
        {
            "index": index,
            "source": source,
            "text": text,
            "reward": reward,
            "accepted": kept,
            "tokens": 5,
            "prompt_tokens": 10,
            "seconds": 1,
            "started_at": 0,
        }
    )


def run_of(
    solutions: list[TrajectoryRecord],
    rights: list[bool | None],
    threshold: float = 0.7,
    strategy: str = "rsd",
    **decoding: object,
) -> RunRecord:
    """A run that was never on a disk."""
    endpoint = {"endpoint": "http://127.0.0.1:8001/v1"}
    config = parse(
        {
            "name": "world",
            "models": {
                role: {"model": role, "served_name": role} | endpoint
                for role in ("draft", "target", "prm")
            },
            "decoding": {"strategy": strategy, "threshold": threshold} | decoding,
            "tasks": {"names": ["demo"]},
        },
        "test",
    )
    manifest = Manifest(
        name="world",
        digest=config.digest,
        models={},
        parameters={"draft": 10, "target": 100, "prm": 20},
        prefix="tokens",
        seed=0,
        versions={},
        host="here",
    )
    grades = [
        grade(it.problem_id, right, sample=it.sample)
        for it, right in zip(solutions, rights, strict=True)
    ]
    return RunRecord(
        directory=Path(config.directory.name),
        config=config,
        manifest=manifest,
        trajectories={it.key: it for it in solutions},
        grades={it.key: it for it in grades},
    )


def drafts(problem_id: str, *rewards: float, threshold: float = 0.7, **fields: object):
    """A solution whose drafts had these rewards; those below `threshold` were replaced."""
    records = []
    for index, reward in enumerate(rewards):
        kept = reward >= threshold
        records.append(step(index, "draft", f"draft {index}", kept, reward))
        if not kept:
            records.append(step(index, "target", f"target {index}", True))
    return solution(problem_id, records, **fields)
