"""Tokenizers for the fakes: bytes where any will do, or the one of a real checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from rsd.errors import ConfigError

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "\n\n")
"""The byte tokenizer's own tokens, by id; the rest are the 256 bytes."""

_HIDDEN = 3  # "\n\n" is an ordinary token; the three before it are special
_SPLIT = re.compile("(" + "|".join(map(re.escape, SPECIALS)) + ")")


class Tokenizer(Protocol):
    """Text to token ids and back. `eos_id` ends an answer."""

    @property
    def eos_id(self) -> int: ...

    @property
    def size(self) -> int:
        """Number of ids; all are below it."""
        ...

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
        return b"".join(self._pieces(ids, skip_special)).decode(errors="replace")

    def _pieces(self, ids: Sequence[int], skip_special: bool) -> Iterable[bytes]:
        for token in ids:
            if token >= len(SPECIALS):
                yield bytes([(token - len(SPECIALS) - self._shift) % 256])
            elif token >= _HIDDEN or not skip_special:
                yield SPECIALS[token].encode()


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

    @property
    def eos_id(self) -> int:
        return int(self._tokenizer.eos_token_id)

    @property
    def size(self) -> int:
        return len(self._tokenizer)

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        return str(
            self._tokenizer.decode(
                list(ids), skip_special_tokens=skip_special, clean_up_tokenization_spaces=False
            )
        )


def save_byte_tokenizer(directory: Path) -> None:
    """Write `ByteTokenizer()` as a transformers tokenizer, with the same ids.

    What tokenizes for itself, such as the Skywork scorer, can then be tested against fakes.
    """
    from tokenizers import AddedToken, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = {token: index for index, token in enumerate(SPECIALS)}
    vocabulary |= {char: len(SPECIALS) + byte for byte, char in bytes_to_unicode().items()}
    tokenizer = Tokenizers(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS[:_HIDDEN]))
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIALS[0],
        eos_token=SPECIALS[ByteTokenizer.eos_id],
        pad_token=SPECIALS[0],
    ).save_pretrained(directory)
