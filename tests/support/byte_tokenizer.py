"""The byte tokenizer of `rsd.testing` as a checkpoint, for what loads a tokenizer itself."""

from __future__ import annotations

from pathlib import Path

from rsd.testing import ByteTokenizer
from rsd.testing.tokenizers import SPECIALS

_SPECIAL = SPECIALS[:-1]  # "\n\n" is an ordinary token


def save_byte_tokenizer(directory: Path) -> None:
    """Write `ByteTokenizer()` as a transformers tokenizer, with the same ids."""
    from tokenizers import AddedToken, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = {token: index for index, token in enumerate(SPECIALS)}
    vocabulary |= {char: len(SPECIALS) + byte for byte, char in bytes_to_unicode().items()}
    tokenizer = Tokenizers(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIALS[0],
        eos_token=SPECIALS[ByteTokenizer.eos_id],
        pad_token=SPECIALS[0],
    ).save_pretrained(directory)
