"""Benchmark runs: preflight, bounded-concurrency runner, crash-safe store, resume."""

from rsd.runs.execute import Outcome, execute, owed, regrade
from rsd.runs.preflight import Check, examine

__all__ = ["Check", "Outcome", "examine", "execute", "owed", "regrade"]
