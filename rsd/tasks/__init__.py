"""Benchmarks: where problems come from, how a question is asked, what the gold answer is.

To add one, describe it in `word_problems`, `mathematics` or `multiple_choice` and name it in
`registry`; `data_dir/<name>/test.jsonl` is then read as it is. `docs/benchmarks.md` lists them.
"""

from rsd.tasks.fetch import Fetched, fetch
from rsd.tasks.load import get_task, is_local, load_problems, local_file
from rsd.tasks.registry import TASKS
from rsd.tasks.task import Hub, Task

__all__ = [
    "TASKS",
    "Fetched",
    "Hub",
    "Task",
    "fetch",
    "get_task",
    "is_local",
    "load_problems",
    "local_file",
]
