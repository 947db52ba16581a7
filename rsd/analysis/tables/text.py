"""The comparison of runs as plain text, at most 110 columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.paper.comparison import against_paper
from rsd.analysis.paper.published import Published
from rsd.analysis.tables.accuracy import (
    Block,
    Column,
    accuracy_and_cost,
    accuracy_by_task,
    compare_all,
    paired,
    tokens_and_speed,
)
from rsd.analysis.tables.samples import by_samples
from rsd.analysis.tables.servers import as_published
from rsd.errors import printable

WIDTH = 110
GAP = "  "


def render_table(runs: list[AnalyzedRun], published: Published | None = None) -> str:
    """The blocks of `runs` (at least one) one below the other, without a final newline; with
    `published`, each run beside its published row."""
    blocks = [accuracy_and_cost(runs), tokens_and_speed(runs), *accuracy_by_task(runs)]
    if len(runs) > 1:
        blocks.append(paired(compare_all(runs), runs))
    blocks += by_samples(runs)
    blocks += as_published(runs)
    if published is not None:
        blocks += against_paper(runs, published)
    return printable("\n\n".join(render_block(block) for block in blocks), keep="\n")


def render_block(block: Block, width: int = WIDTH) -> str:
    """One block, its columns aligned. One wider than `width` has its first column cut."""
    notes = [_note(note, width) for note in block.notes]
    if not block.columns:
        return "\n".join([block.title, *notes])
    widths = [_width(column, i, block) for i, column in enumerate(block.columns)]
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    if excess > 0:
        widths[0] = max(8, widths[0] - excess)
    headings = [column.heading.split("\n") for column in block.columns]
    height = max(map(len, headings))
    lines = [block.title]
    for i in range(height):
        # A heading of one line stands on the lowest.
        cells = [h[i - height + len(h)] if i >= height - len(h) else "" for h in headings]
        lines.append(_line(cells, widths, block.columns))
    lines.append(GAP.join("-" * each for each in widths))
    lines += [_line(row, widths, block.columns) for row in block.rows]
    return "\n".join([*lines, *notes])


def _note(note: str, width: int) -> str:
    return fill(note, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _width(column: Column, index: int, block: Block) -> int:
    cells = [*column.heading.split("\n"), *(row[index] for row in block.rows)]
    return max(map(len, cells))


def _line(cells: Sequence[str], widths: list[int], columns: tuple[Column, ...]) -> str:
    padded = []
    for cell, width, column in zip(cells, widths, columns, strict=True):
        text = _shorten(cell, width)
        padded.append(text.ljust(width) if column.align == "left" else text.rjust(width))
    return GAP.join(padded).rstrip()


def _shorten(text: str, width: int) -> str:
    """Cut the middle: a run's name begins with its experiment and ends with its digest."""
    if len(text) <= width:
        return text
    tail = min(10, (width - 1) // 2)
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"
