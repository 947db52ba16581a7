"""Writing results so that a reader never sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rsd.errors import StoreError


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8) in one step. Raises `StoreError` if that is impossible."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written: {error.strerror}; name a writable place"
        ) from error
