"""Rows of a benchmark's file: JSON lines, JSON, CSV, TSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rsd.errors import ConfigError
from rsd.tasks.fields import Row, named


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a source, and its columns. `lines` are their lines (in JSON, Parquet and on the
    hub: their numbers), from 1. A column that is null or an empty cell in a row is absent from
    it."""

    columns: tuple[str, ...]
    rows: Sequence[Row]
    lines: Sequence[int]


def read_table(path: Path) -> Table:
    """The rows of a file, by the format that its suffix names.

    Raises `ConfigError` where the file cannot be read, is not of that format, or is no longer what
    was fetched.
    """
    try:
        content = path.read_bytes()
        _verify(path, content)
    except OSError as error:
        raise unreadable(path, error) from error
    reader = _READERS.get(path.suffix.lower(), _json_lines)
    columns: dict[str, None] = {}
    rows: list[Row] = []
    lines: list[int] = []
    for number, row in reader(path, content):
        if not isinstance(row, dict):
            raise ConfigError(
                f"{path}:{number}: expected an object, got {named(row)}; write one object a line"
            )
        columns |= dict.fromkeys(row)
        rows.append({name: value for name, value in row.items() if value is not None})
        lines.append(number)
    return Table(tuple(columns), rows, lines)


def checksum_file(path: Path) -> Path:
    """Where the SHA-256 of a fetched file lies, in the format of `sha256sum`."""
    return path.with_name(path.name + ".sha256")


def unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be read: {error.strerror}")


def _json_lines(path: Path, content: bytes) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, _json(line, f"{path}:{number}", "write one object a line")


def _json_document(path: Path, content: bytes) -> Iterator[tuple[int, Any]]:
    """A list of objects, or an object with one list, such as `{"data": [...]}`."""
    document = _json(content, str(path), "write a list of objects")
    if isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
        document = lists[0] if len(lists) == 1 else document
    if not isinstance(document, list):
        raise ConfigError(f"{path}: it is {named(document)}; write a list of objects")
    yield from enumerate(document, start=1)


def _json(text: bytes, where: str, fix: str) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _not_utf8(where, error) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not JSON: {error}; {fix}") from None


def _separated(path: Path, content: bytes) -> Iterator[tuple[int, Any]]:
    """Rows under a header. A CSV file whose header has no comma is split at semicolons or tabs."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(str(path), error) from None
    header = text.partition("\n")[0]
    comma = "\t" if path.suffix.lower() == ".tsv" else ","
    delimiter = next((char for char in (comma, ";", "\t") if char in header), comma)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip() for name in next(rows, [])]
        if twice := next((name for name in columns if columns.count(name) > 1), None):
            raise ConfigError(f"{path}:1: two columns are called {twice!r}; rename one")
        for cells in rows:
            if len(cells) > len(columns):
                raise ConfigError(
                    f"{path}:{rows.line_num}: {len(cells)} cells under {len(columns)} columns; "
                    f"put quotes around a cell that has {delimiter!r} in it"
                )
            if any(cells):
                cells += [""] * (len(columns) - len(cells))
                yield rows.line_num, {k: v or None for k, v in zip(columns, cells, strict=True)}
    except csv.Error as error:
        raise ConfigError(f"{path}:{rows.line_num}: not CSV: {error}") from None


def _parquet(path: Path, content: bytes) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa  # type: ignore[import-untyped]  # slow to import, and needed by few runs
    from pyarrow import parquet

    try:
        table = parquet.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path}: not Parquet: {' '.join(str(error).split())[:200]}") from None
    yield from enumerate(table.to_pylist(), start=1)


_READERS = {
    ".json": _json_document,
    ".csv": _separated,
    ".tsv": _separated,
    ".parquet": _parquet,
}


def _not_utf8(where: str, error: UnicodeDecodeError) -> ConfigError:
    return ConfigError(f"{where}: not UTF-8 (byte {error.start + 1}); save it as UTF-8")


def _verify(path: Path, content: bytes) -> None:
    sums = checksum_file(path)
    digest = sha256(content).hexdigest().encode()
    if sums.exists() and sums.read_bytes().split()[:1] != [digest]:
        raise ConfigError(
            f"{path}: not what was fetched: its SHA-256 is not the one in {sums.name}; fetch it "
            f"again with --force, or delete {sums.name} if the change is meant"
        )
