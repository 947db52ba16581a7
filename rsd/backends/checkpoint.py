"""Facts read from a local checkpoint without loading it."""

from __future__ import annotations

import json
import math
from pathlib import Path

_UNUSED_IN_REWARD_MODELS = "lm_head."


def count_parameters(model: str, *, reward_model: bool = False) -> int | None:
    """Number of parameters in the safetensors files of a local checkpoint directory.

    None if `model` is no such directory. A reward model's language-model head, which Skywork
    checkpoints carry along unused, is not counted. Only the files' headers are read: 8 bytes of
    length (little endian) and that much JSON.
    """
    files = sorted(Path(model).glob("*.safetensors"))
    if not files:
        return None
    total = 0
    for file in files:
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        for name, tensor in header.items():
            unused = reward_model and name.startswith(_UNUSED_IN_REWARD_MODELS)
            if name != "__metadata__" and not unused:
                total += math.prod(tensor["shape"])
    return total
