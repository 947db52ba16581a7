"""The comparison of runs as plain text, at most 110 columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.paper.published import Published
from rsd.analysis.paper.tables import against_paper, as_published
from rsd.analysis.tables.accuracy import accuracy_and_cost, accuracy_by_task, differences
from rsd.analysis.tables.block import Block
from rsd.analysis.tables.samples import by_samples
from rsd.analysis.tables.speed import tokens_and_speed
from rsd.errors import printable

WIDTH = 110
GAP = "  "


def render_table(runs: list[AnalyzedRun], published: Published | None = None) -> str:
    """All tables of `runs` (at least one), without a final newline. With `published`, each run is
    compared with its published row."""
    blocks = [accuracy_and_cost(runs), *by_samples(runs), tokens_and_speed(runs)]
    blocks += [*accuracy_by_task(runs), *differences(runs), *as_published(runs)]
    if published is not None:
        blocks += against_paper(runs, published)
    return printable("\n\n".join(render_block(block) for block in blocks), keep="\n")


def render_block(block: Block, width: int = WIDTH) -> str:
    """One table with aligned columns. If it is wider than `width`, its first column is cut."""
    notes = [
        fill(note, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
        for note in block.notes
    ]
    if not block.columns:
        return "\n".join([block.title, *notes])
    headings = [column.heading.split("\n") for column in block.columns]
    height = max(map(len, headings))
    # A heading of one line stands on the lowest line.
    header = list(zip(*([""] * (height - len(h)) + h for h in headings), strict=True))
    widths = [max(map(len, cells)) for cells in zip(*header, *block.rows, strict=True)]
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    if excess > 0:
        widths[0] = max(8, widths[0] - excess)
    rule = GAP.join("-" * each for each in widths)
    lines = [_line(cells, widths, block) for cells in header]
    lines += [rule, *(_line(row, widths, block) for row in block.rows)]
    return "\n".join([block.title, *lines, *notes])


def _line(cells: Sequence[str], widths: list[int], block: Block) -> str:
    padded = []
    for cell, width, column in zip(cells, widths, block.columns, strict=True):
        text = _shorten(cell, width)
        padded.append(text.ljust(width) if column.align == "left" else text.rjust(width))
    return GAP.join(padded).rstrip()


def _shorten(text: str, width: int) -> str:
    """Cut the middle: a run's name begins with its experiment and ends with its digest."""
    if len(text) <= width:
        return text
    tail = min(10, (width - 1) // 2)
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"
