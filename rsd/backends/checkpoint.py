"""Facts read from a local checkpoint without loading it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

_LM_HEAD = "lm_head."
_LONGEST_HEADER = 100_000_000  # bytes, by the format's own rule


def count_parameters(model: str, *, without_lm_head: bool = False) -> int | None:
    """Number of parameters in the safetensors files of a local checkpoint directory.

    None if `model` is no such directory, or a file in it is not whole, such as one that Git LFS
    has not fetched. `without_lm_head` leaves out the language-model head, which some reward
    models carry along unused. Only the files' headers are read: 8 bytes of length (little endian)
    and that much JSON.
    """
    files = sorted(Path(model).glob("*.safetensors"))
    if not files:
        return None
    total = 0
    for file in files:
        header = _header(file)
        if header is None:
            return None
        for name, tensor in header.items():
            unused = without_lm_head and name.startswith(_LM_HEAD)
            if name != "__metadata__" and not unused:
                total += math.prod(tensor["shape"])
    return total


def _header(file: Path) -> dict[str, Any] | None:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > _LONGEST_HEADER:
            return None
        try:
            header: dict[str, Any] = json.loads(stream.read(length))
        except ValueError:
            return None
    return header
