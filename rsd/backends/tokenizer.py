"""The tokenizers for what reward models read: those of transformers, as in the servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rsd.errors import ConfigError

Encode = Callable[[str], list[int]]

_left_out = False


def leave_torch_out() -> None:
    """Let this process load tokenizers without torch.

    Where torch is installed, as it is beside vLLM, transformers imports it: 4 s of processor time,
    of which no tokenizer needs anything. Without it transformers has no models until the process
    ends, so this is for programs that know that nothing in them wants those. It is of no effect
    where transformers or torch is imported already.
    """
    global _left_out
    _left_out = True


def load_tokenizer(name: str, *, key: str = "models.prm.tokenizer") -> Any:
    """The transformers tokenizer of a model, local or on the hub.

    Raises `ConfigError` when it cannot be loaded, naming `key` of the configuration.
    """
    with _importing():
        from transformers import AutoTokenizer  # slow to import

    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{key}: cannot load {name!r}: {reason}") from error


def plain_encode(tokenizer: Any) -> Encode:
    """Token ids of a text, no special tokens added."""
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False))


def single_token(tokenizer: Any, text: str, kind: str) -> int:
    """The id of `text`. Raises `ConfigError` if it is not one token, as it is for that `kind`."""
    ids = plain_encode(tokenizer)(text)
    if len(ids) != 1:
        raise ConfigError(
            f"models.prm.tokenizer: {text!r} is {len(ids)} tokens and not one in "
            f"{tokenizer.name_or_path}; it is no tokenizer of a model of kind {kind}"
        )
    return int(ids[0])


@contextmanager
def _importing() -> Iterator[None]:
    """Import transformers inside, without torch if it is to be left out. Afterwards torch can be
    imported again by whoever wants it."""
    if not _left_out or "torch" in sys.modules or "transformers" in sys.modules:
        yield
        return
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that there is no torch
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]
