"""How many examples the slow properties try."""

from __future__ import annotations

thorough = False
"""Set by the option `--thorough` before the tests are imported."""


def examples(count: int) -> int:
    """`count` with `--thorough`; a quarter of it without, but at least 10."""
    return count if thorough else min(count, max(10, count // 4))


def only_thorough(*cases: int) -> tuple[int, ...]:
    """`cases` with `--thorough`, none without."""
    return cases if thorough else ()
