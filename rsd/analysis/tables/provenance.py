"""Tables of models, and of what it takes to reproduce a run."""

from __future__ import annotations

from datetime import UTC, datetime

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.tables.block import Block
from rsd.analysis.tables.cells import UNKNOWN
from rsd.analysis.tables.labels import labels, run_name


def models(runs: list[AnalyzedRun]) -> Block:
    """The model of each server."""
    rows = []
    for run, label in zip(runs, labels(runs), strict=True):
        sizes = run.run.manifest.parameters
        for role, it in run.run.manifest.models.items():
            size = sizes[role]
            rows.append(
                {
                    "strategy": label,
                    "role": role,
                    "model": it.model,
                    "parameters": UNKNOWN if size is None else f"{size:,}",
                    "context": f"{it.context:,}",
                    "vLLM": it.vllm_version or UNKNOWN,
                }
            )
    return Block.of("Models", rows, left=("strategy", "role", "model"))


def provenance(runs: list[AnalyzedRun]) -> Block:
    """Versions, seeds and the commit of each run."""
    rows = []
    for run in runs:
        it = run.run.manifest
        started = min((session.started_at for session in it.sessions), default=None)
        first = None if started is None else datetime.fromtimestamp(started, UTC)
        rows.append(
            {
                "run": run_name(run),
                "digest": it.digest,
                "seed": str(it.seed),
                "prefix": it.prefix,
                "commit": (it.git_commit or UNKNOWN)[:12],
                "first started": f"{first:%Y-%m-%d %H:%M} UTC" if first else UNKNOWN,
                "sessions": str(len(it.sessions)),
                "host": it.host,
                "versions": ", ".join(f"{name} {version}" for name, version in it.versions.items()),
            }
        )
    return Block.of("Provenance", rows, left=tuple(rows[0]))
