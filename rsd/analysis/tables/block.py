"""One table of text cells, as the terminal and the page show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rsd.analysis.tables.cells import UNKNOWN


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, of one or two lines, and how the cells below it are aligned."""

    heading: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True, slots=True)
class Block:
    """A small table: each row has a cell for each column. `notes` go below it."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        title: str,
        rows: Sequence[Mapping[str, str]],
        notes: Sequence[str] = (),
        left: Collection[str] = (),
    ) -> Block:
        """A table of `rows` that map headings to cells. The first row has all headings in order;
        a cell that another row lacks is unknown. Columns in `left` are aligned to the left."""
        headings = tuple(rows[0]) if rows else ()
        columns = tuple(Column(it, "left" if it in left else "right") for it in headings)
        cells = [tuple(row.get(it, UNKNOWN) for it in headings) for row in rows]
        return cls(title, columns, cells, tuple(notes))
