"""Benchmark runs: preflight, bounded-concurrency runner, crash-safe store, resume."""

from rsd.runs.preflight.checks import Check
from rsd.runs.store.questions import identified, tell_of_earlier
from rsd.runs.execute import Outcome, execute, owed, regrade
from rsd.runs.preflight import examine
from rsd.runs.store import refuse_other_run
from rsd.runs.sweeps import PointOutcome, debts, execute_sweep

__all__ = [
    "Check",
    "Outcome",
    "PointOutcome",
    "debts",
    "examine",
    "execute",
    "execute_sweep",
    "identified",
    "owed",
    "refuse_other_run",
    "regrade",
    "tell_of_earlier",
]
