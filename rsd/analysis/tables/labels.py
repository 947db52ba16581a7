"""How tables, plots and messages name a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import failed
from rsd.analysis.summary import Summary
from rsd.config import Config, DecodingConfig, strategy_facts
from rsd.records import RunRecord
from rsd.types import Role


def run_name(run: AnalyzedRun) -> str:
    """The name of the run's directory."""
    return run.run.directory.resolve().name


def labels(runs: list[AnalyzedRun]) -> list[str]:
    """A short name for each run: its strategy, and if several runs share that, the end of the
    directory's name, which is the digest by default."""
    names = [labelled(run.run) for run in runs]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name} ({run_name(run)[-10:]})"
        for name, run in zip(names, runs, strict=True)
    ]


def labelled(run: RunRecord) -> str:
    """The strategy in words and what is missing: `RSD δ=0.7 (150 of 200, 3 failed)`."""
    missing = shortfall(run)
    words = in_words(run.config, run.manifest.models)
    return f"{words} ({', '.join(missing)})" if missing else words


def shortfall(run: RunRecord) -> list[str]:
    """What a run lacks: problems not yet run, failed problems, and undecided verdicts."""
    n, asked = len(run.trajectories), sum(run.manifest.asked.values())
    undecided = {
        grade.key
        for grade in (*run.grades.values(), *run.cut_grades.values())
        if grade.undecided or grade.undecided_paper
    }
    counts = {
        "failed": sum(map(failed, run.trajectories.values())),
        "undecided": len(undecided),
    }
    partial = [f"{n} of {asked}"] if n < asked else []
    return partial + [f"{count} {what}" for what, count in counts.items() if count]


def in_words(config: Config, roles: Collection[Role]) -> str:
    """The strategy with its main settings, such as `RSD δ=0.7`. `+ SD`: the target server, if one
    of the `roles` that the run uses, decodes speculatively."""
    it = config.decoding
    words = it.strategy.rpartition(":")[2]
    if label := strategy_facts(it.strategy).label:
        several = f" n={it.candidates}" if it.candidates > 1 else ""
        words = label.format(**dict(it), rule=_weighting(it), several=several)
    speculative = config.models.target.serve.speculative is not None
    return f"{words} + SD" if speculative and "target" in roles else words


def _weighting(it: DecodingConfig) -> str:
    return {
        "step": f"δ={delta(it.threshold)}",
        "constant": f"p={it.probability:g}",
        "logistic": f"logistic δ={delta(it.threshold)} α={it.sharpness:g}",
    }.get(it.weighting, it.weighting)


def delta(threshold: float) -> str:
    """A threshold with up to nine digits, enough for a reward in single precision: a threshold
    just below 1 is not shown as 1."""
    return f"{threshold:.9g}"


def judges_drafts(run: AnalyzedRun) -> bool:
    """Whether the strategy accepts or rejects each draft step by a rule."""
    return strategy_facts(run.run.config.decoding.strategy).judges_drafts


def has_samples(runs: list[AnalyzedRun]) -> bool:
    """Whether a run has several samples per problem."""
    return any(run.run.config.decoding.samples > 1 for run in runs)


def measure(runs: list[AnalyzedRun]) -> str:
    """What the accuracy of `runs` is called: `avg@8` if each has 8 samples per problem."""
    counts = {run.run.config.decoding.samples for run in runs}
    return f"avg@{max(counts)}" if has_samples(runs) and len(counts) == 1 else "accuracy"


def solution_of(runs: list[AnalyzedRun]) -> str:
    """What a cost or a latency is of, in the singular."""
    return "sample" if has_samples(runs) else "problem"


def problem_count(it: Summary, samples: int) -> str:
    """How many problems were decoded: `30`, or `30 × 8` with 8 samples of each, of which an
    unfinished run has fewer: `50 of 30 × 8`."""
    if samples == 1:
        return str(it.n)
    if it.n == it.problems * samples:
        return f"{it.problems} × {samples}"
    problems = max(it.problems, (it.asked or 0) // samples)
    return f"{it.n} of {problems} × {samples}"


def natural(text: str) -> list[tuple[int, str]]:
    """A sort key that compares ASCII digits as numbers: `level 2` before `level 10`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(int(it), "") if it.isascii() and it.isdigit() else (-1, it) for it in parts]
