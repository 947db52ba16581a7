"""A directory that cannot be written, also for root, for whom no permission forbids anything."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_protected: list[str] = []
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.link"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if not _protected or not (event == "open" or event in _CHANGES):
        return
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITING):
        return
    for path in arguments:
        if isinstance(path, str | os.PathLike):
            whole = os.path.abspath(path)  # noqa: PTH100 (`resolve` asks the file system)
            if any(whole == it or whole.startswith(it + os.sep) for it in _protected):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), whole)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Within the block nothing in `directory` can be made, changed or removed from this process."""
    if not hasattr(sys, "_rsd_read_only"):
        sys.addaudithook(_refuse)
        sys._rsd_read_only = True  # type: ignore[attr-defined]  # no hook is ever taken away
    _protected.append(str(directory.absolute()))
    try:
        yield
    finally:
        _protected.pop()
