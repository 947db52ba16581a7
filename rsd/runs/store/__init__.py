"""What a run directory keeps: its append-only files, the questions that they answer, and the
manifest of what made them."""

from rsd.runs.store.directory import RunStore, changed_server_keys, refuse_other_run
from rsd.runs.store.questions import identified, warn_of_earlier_names

__all__ = [
    "RunStore",
    "changed_server_keys",
    "identified",
    "refuse_other_run",
    "warn_of_earlier_names",
]
