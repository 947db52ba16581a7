"""Rows from the Hugging Face hub, in the local layout."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

from rsd.errors import ConfigError
from rsd.tasks.files import Table
from rsd.tasks.task import Hub, Task


def hub_rows(task: Task, missing: str) -> HubRows:
    """The rows of `task`'s source on the hub. Raises `ConfigError`, which begins with `missing`
    and says how to get the source, when there is none or it cannot be loaded."""
    if task.hub is None:
        raise ConfigError(
            f"{missing}; {task.name} is not on the hub: it comes with rsd, in data/{task.name}"
        )
    import datasets  # slow to import, and needed by few runs

    hub = task.hub
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it reports every retry
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        data = datasets.load_dataset(
            hub.path,
            hub.config,
            split=hub.split,
            revision=hub.revision,
            data_files={hub.split: hub.file} if hub.file else None,
        )
    except Exception as error:  # datasets raises what its many loaders raise
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{missing}, and {_how_to_get(hub)} ({reason})") from error
    absent = [name for name in hub.columns if name not in data.column_names]
    if absent:
        raise ConfigError(f"{hub.page}: no column {absent[0]!r} in {', '.join(data.column_names)}")
    if task.rows is not None and len(data) != task.rows:
        raise ConfigError(
            f"{hub.page}: {len(data)} rows instead of the published {task.rows} of {task.name}; "
            f"put a file of the right ones at data_dir/{task.name}/test.jsonl"
        )
    return HubRows(hub, data.select_columns(list(hub.columns)) if hub.columns else data)


class HubRows:
    """The rows of a loaded data set, in its order."""

    def __init__(self, hub: Hub, data: Any) -> None:
        self._hub = hub
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def table(self) -> Table:
        """All rows, with the columns that rows of the local layout have."""
        rows = list(self)
        columns = dict.fromkeys(name for row in rows for name in row)
        if not self._hub.columns:
            columns = dict.fromkeys(self._data.column_names)
        return Table(tuple(columns), rows, range(1, len(rows) + 1))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows of the local layout. A column that is null in a row is absent from it: tables
        have it null where JSON lines lack it."""
        for row in self._data:
            present = {name: value for name, value in row.items() if value is not None}
            yield self._hub.as_local(present)


def _how_to_get(hub: Hub) -> str:
    if hub.gated:
        return (
            f"{hub.path} is gated on the hub: accept its terms at {hub.page} and log in with "
            f"`hf auth login` or HF_TOKEN, or put the file there"
        )
    return f"{hub.path} cannot be loaded from the hub; make it reachable or put the file there"
