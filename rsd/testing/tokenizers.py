"""Tokenizers for the fakes: bytes where any will do, or the one of a real checkpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from rsd.errors import ConfigError

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "\n\n")
"""The byte tokenizer's own tokens, by id; the rest are the 256 bytes."""

_HIDDEN = 3  # "\n\n" is an ordinary token; the three before it are special
_SPLIT = re.compile("(" + "|".join(map(re.escape, SPECIALS)) + ")")


class Tokenizer(Protocol):
    """Text to token ids and back. `eos_id` ends an answer; all ids are below `size`."""

    eos_id: int
    size: int

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str: ...


class ByteTokenizer:
    """One token a byte, after four tokens of its own: the specials of ChatML and `"\\n\\n"`.

    Two tokenizers with different `shift` agree on no byte: draft and target that do not share
    a tokenizer.
    """

    eos_id = SPECIALS.index("<|im_end|>")
    size = len(SPECIALS) + 256

    def __init__(self, shift: int = 0) -> None:
        self._shift = shift

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for piece in _SPLIT.split(text):
            if piece in SPECIALS:
                ids.append(SPECIALS.index(piece))
            else:
                ids += (len(SPECIALS) + (b + self._shift) % 256 for b in piece.encode())
        return ids

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        text = bytearray()
        for token in ids:
            if token >= len(SPECIALS):
                text.append((token - len(SPECIALS) - self._shift) % 256)
            elif token >= _HIDDEN or not skip_special:
                text += SPECIALS[token].encode()
        return text.decode(errors="replace")


class CheckpointTokenizer:
    """The transformers tokenizer of a local checkpoint directory."""

    def __init__(self, directory: Path) -> None:
        from transformers import AutoTokenizer  # slow to import

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"{directory}: cannot load its tokenizer: {reason}") from error
        if self._tokenizer.eos_token_id is None:
            raise ConfigError(f"{directory}: its tokenizer has no eos_token; set one")
        self.eos_id = int(self._tokenizer.eos_token_id)
        self.size = len(self._tokenizer)

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        options = {"skip_special_tokens": skip_special, "clean_up_tokenization_spaces": False}
        return str(self._tokenizer.decode(list(ids), **options))
