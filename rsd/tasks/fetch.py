"""Making a local file of a task's rows on the hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rsd.errors import ConfigError
from rsd.records import write_atomically
from rsd.tasks.files import checksum_file
from rsd.tasks.hub import hub_rows
from rsd.tasks.task import Task

Watch = Callable[[Iterable[dict[str, Any]], int], Iterable[dict[str, Any]]]
"""Passes rows through, `int` in all, and shows how far they are."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was written: the file, its rows, its SHA-256, and that of the file it replaced."""

    path: Path
    rows: int
    sha256: str
    replaced: str | None


def fetch(task: Task, data_dir: Path, watch: Watch) -> Fetched:
    """Write `data_dir/<name>/test.jsonl` from the hub, and its checksum beside it.

    The file appears whole or not at all. Raises `ConfigError` when the source cannot be loaded
    and `StoreError` when the file cannot be written.
    """
    path = task.local_file(data_dir)
    rows = hub_rows(task, f"{path}: not fetched")
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in watch(rows, len(rows)))
    digest = sha256(text.encode()).hexdigest()
    try:
        old = sha256(path.read_bytes()).hexdigest() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        checksum_file(path).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    write_atomically(path, text)
    write_atomically(checksum_file(path), f"{digest}  {path.name}\n")
    return Fetched(path, len(rows), digest, old)
