"""`rsd` as a process that ends by SIGKILL at a write to its run directory:

    killed.py WRITE PART run CONFIG...

WRITE counts the lines that are appended and the files that are replaced, from 1; of a line, PART
(0 to 1) is written, and a file is replaced with PART 1 only.
"""

from __future__ import annotations

import os
import signal
import sys
from io import FileIO
from pathlib import Path

from rsd.cli.main import program
from rsd.runs.store import directory as store


def end_at(last: int, part: float) -> None:
    """Have the `last` write from now on be the end of this process."""
    append, replace = store._write_line, Path.replace
    writes = 0

    def is_last() -> bool:
        nonlocal writes
        writes += 1
        return writes == last

    def append_or_die(file: FileIO, line: bytes) -> None:
        if is_last():
            file.write(line[: round(len(line) * part)])
            os.kill(os.getpid(), signal.SIGKILL)
        append(file, line)

    def replace_or_die(path: Path, target: Path) -> Path:
        dies = is_last()
        if dies and part < 1:
            os.kill(os.getpid(), signal.SIGKILL)
        replaced = replace(path, target)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return replaced

    store._write_line = append_or_die
    Path.replace = replace_or_die  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    end_at(int(sys.argv[1]), float(sys.argv[2]))
    del sys.argv[1:3]
    program()
