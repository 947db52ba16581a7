"""What a run directory keeps: its append-only files, the questions that they answer, and the
manifest of what made them."""

from rsd.runs.store.directory import RunStore, refuse_other_run, changed_server_keys
from rsd.runs.store.questions import identified, warn_of_earlier_names

__all__ = [
    "RunStore",
    "identified",
    "refuse_other_run",
    "changed_server_keys",
    "warn_of_earlier_names",
]
