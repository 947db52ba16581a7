"""When a solution loops: the same steps, in the same order, again and again.

A solution loops at `times` repetitions when its last `p * times` steps are `times` copies of one
cycle of `p` steps, 1 <= p <= `LONGEST_CYCLE`. Steps are equal if their texts are. Two things do not
count, since sound solutions repeat them:

- a cycle in which no step has a letter or a digit, such as `---` or `$$`;
- a step with a line of a code block or of a table: no cycle holds it or reaches over it. A code
  block lies between Markdown fences (three or more backticks or tildes) and may take many steps; a
  line of a table begins and ends with `|`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_CYCLE = 8

_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})(.*)")
_TABLE_LINE = re.compile(r"\s*\|.*\|\s*")


@dataclass(frozen=True, slots=True)
class Repetition:
    """What of a solution's steps so far decides whether the next one closes a loop.

    `recent` are the last steps, at most `LONGEST_CYCLE`, since a code block or table. `runs[p - 1]`
    is how many of the last steps in a row equal the one `p` places before them, `unworded` how many
    in a row have no letter or digit. `fence` is what opened the code block that is still open, else
    "". A value: solutions that go on from the same steps share it.
    """

    recent: tuple[str, ...] = ()
    runs: tuple[int, ...] = (0,) * LONGEST_CYCLE
    unworded: int = 0
    fence: str = ""

    def after(self, step: str) -> Repetition:
        """The state with `step` appended, in time that does not depend on how many came before."""
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
    """Whether no line of `step` belongs to a code block or table, and the fence of the code block
    that is open after it ("" for none). `fence` is the one that is open before it."""
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
