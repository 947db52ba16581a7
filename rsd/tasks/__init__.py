"""Benchmarks: where problems come from, how a question is asked, what the gold answer is.

`tasks.define` in a configuration describes one of your own. To add one to rsd, describe it in
`word_problems`, `mathematics`, `competitions` or `multiple_choice` and name it in `registry`.
`docs/benchmarks.md` lists them.
"""

from rsd.tasks.define import completed
from rsd.tasks.fetch import Fetched, fetch
from rsd.tasks.files import Table, read_table
from rsd.tasks.load import get_task, load_problems, tasks_of
from rsd.tasks.registry import TASKS
from rsd.tasks.task import Hub, Task

__all__ = [
    "TASKS",
    "Fetched",
    "Hub",
    "Table",
    "Task",
    "completed",
    "fetch",
    "get_task",
    "load_problems",
    "read_table",
    "tasks_of",
]
