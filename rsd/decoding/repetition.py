"""Detection of loops: the same cycle of steps again and again.

A solution loops at `times` repetitions when its last `p * times` steps are `times` copies of one
cycle of `p` steps, 1 <= p <= `LONGEST_CYCLE`. Steps are equal if their texts are. Two exceptions,
since correct solutions repeat them:

- cycles in which no step has a letter or a digit, such as `---` or `$$`;
- steps with a line of a code block or table: no cycle contains or spans them. A code block lies
  between Markdown fences (three or more backticks or tildes) and may span steps; a line of a table
  begins and ends with `|`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_CYCLE = 8

_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})(.*)")
_TABLE_LINE = re.compile(r"\s*\|.*\|\s*")


@dataclass(frozen=True, slots=True)
class Repetition:
    """The state of loop detection after some steps; an immutable value, which forks share.

    `recent` holds the last steps since a code block or table, at most `LONGEST_CYCLE`. The last
    `runs[p - 1]` steps equal the one `p` steps earlier; the last `unworded` steps have no letter or
    digit. `fence` is the opening fence of a code block that is still open, else "".
    """

    recent: tuple[str, ...] = ()
    runs: tuple[int, ...] = (0,) * LONGEST_CYCLE
    unworded: int = 0
    fence: str = ""

    def after(self, step: str) -> Repetition:
        """The state with `step` appended, in constant time."""
        is_prose, fence = _read(step, self.fence)
        if not is_prose:
            return Repetition(fence=fence)
        return Repetition(
            recent=(*self.recent, step)[-LONGEST_CYCLE:],
            runs=tuple(
                run + 1 if period <= len(self.recent) and self.recent[-period] == step else 0
                for period, run in enumerate(self.runs, start=1)
            ),
            unworded=0 if any(map(str.isalnum, step)) else self.unworded + 1,
        )

    def loops(self, times: int) -> bool:
        """Whether the last steps are one cycle, `times` (>= 1) times in a row."""
        return any(
            run >= period * (times - 1) and self.unworded < period <= len(self.recent)
            for period, run in enumerate(self.runs, start=1)
        )


def _read(step: str, fence: str) -> tuple[bool, str]:
    """Whether `step` has no line of a code block or table, and the fence still open after it (""
    for none). `fence` is the one open before it."""
    is_prose = True
    for line in step.splitlines():
        mark, after = match.groups() if (match := _FENCE.fullmatch(line)) else ("", "")
        if fence:
            is_prose = False
            if mark.startswith(fence) and not after.strip():
                fence = ""
        elif mark:
            is_prose, fence = False, mark
        elif _TABLE_LINE.fullmatch(line):
            is_prose = False
    return is_prose and not fence, fence
