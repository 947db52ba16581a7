"""Facts read from a checkpoint without loading it."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rsd.config import SAMPLING_KEYS, Config, DecodingConfig, ModelSampling, looks_like_path
from rsd.errors import ConfigError
from rsd.types import Source

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


def with_model_sampling(config: Config, sources: Iterable[Source] | None = None) -> Config:
    """`config` with the numbers of the checkpoints of `sources` (by default the models that write)
    in the place of `decoding.sampling: model`; any other is returned as it is.

    What a checkpoint does not say, the other keys of `decoding` do. Raises `ConfigError` for a
    checkpoint that says nothing, and for numbers with which the strategy cannot work.
    """
    decoding = config.decoding
    if decoding.sampling != "model":
        return config
    chosen = decoding.writers if sources is None else tuple(sources)
    own = {source: recommended_sampling(config.models.role(source).model) for source in chosen}
    try:
        numbers = DecodingConfig.model_validate({**decoding.model_dump(), "sampling": own})
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"decoding.sampling: by the models' own values, {problem}") from None
    return config.model_copy(update={"decoding": numbers})


@cache
def recommended_sampling(model: str) -> ModelSampling:
    """How the makers of `model`, a local directory or a name on the hub, sample from it, by its
    `generation_config.json`: greedily where that says `do_sample: false`, and else by the values
    that it states, as vLLM reads them. Raises `ConfigError`."""
    where = f"decoding.sampling: model: {model}"
    instead = "write the numbers as decoding.sampling.draft.temperature and so on"
    try:
        stated = json.loads(_generation_config(model).read_bytes())
        values = {key: stated[key] for key in SAMPLING_KEYS if stated.get(key) is not None}
    except Exception as error:  # the hub's client raises what its many layers raise
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{where}: its {_GENERATION_CONFIG} cannot be read ({reason}); {instead}"
        ) from error
    if values.get("top_k") in (-1, 0):  # all tokens
        del values["top_k"]
    if stated.get("do_sample") is False:
        values = {key: it for key, it in values.items() if key.endswith("penalty")}
        values["temperature"] = 0.0
    elif stated.get("do_sample"):
        values.setdefault("temperature", 1.0)
    try:
        return ModelSampling.model_validate(values)
    except ValidationError as error:
        key, problem = error.errors()[0]["loc"][0], error.errors()[0]["msg"]
        raise ConfigError(f"{where}: its {key}: {problem}; {instead}") from None


_GENERATION_CONFIG = "generation_config.json"


def _generation_config(model: str) -> Path:
    if looks_like_path(model) or Path(model).is_dir():
        return Path(model).expanduser() / _GENERATION_CONFIG
    from huggingface_hub import hf_hub_download  # slow to import, and rarely needed

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it reports every retry
    return Path(hf_hub_download(model, _GENERATION_CONFIG))
