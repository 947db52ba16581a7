"""Benchmark runs: preflight, bounded-concurrency runner, crash-safe store, resume."""

from rsd.runs.execute import RunOutcome, execute, pending, regrade
from rsd.runs.preflight import PreflightCheck, examine
from rsd.runs.store import identified, refuse_other_run, warn_of_earlier_names
from rsd.runs.sweeps import PointOutcome, execute_sweep, pending_by_point

__all__ = [
    "PointOutcome",
    "PreflightCheck",
    "RunOutcome",
    "examine",
    "execute",
    "execute_sweep",
    "identified",
    "pending",
    "pending_by_point",
    "refuse_other_run",
    "regrade",
    "warn_of_earlier_names",
]
