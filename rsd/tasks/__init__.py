"""Benchmarks: where problems come from, how a question is asked, what the gold answer is.

To add one, add an entry to `registry.TASKS`; `data_dir/<name>/test.jsonl` is then read as it is.
"""

from rsd.tasks.load import get_task, load_problems, local_file
from rsd.tasks.registry import TASKS
from rsd.tasks.task import Hub, Task

__all__ = ["TASKS", "Hub", "Task", "get_task", "load_problems", "local_file"]
