"""What a run directory keeps: the files that grow while a run works, the questions that they
answer, and the manifest of what they were made with."""

from rsd.runs.store.directory import RunStore, refuse_other_run, served_otherwise

__all__ = ["RunStore", "refuse_other_run", "served_otherwise"]
