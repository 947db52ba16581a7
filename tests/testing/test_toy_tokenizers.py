from __future__ import annotations

from pathlib import Path

import pytest
from byte_tokenizer import save_byte_tokenizer
from hypothesis import example, given
from hypothesis import strategies as st

from rsd.errors import ConfigError
from rsd.testing import ByteTokenizer, CheckpointTokenizer

CHAT = "<|im_start|>user\nπ = 3?\n\n\n<|im_end|>"


@given(text=st.text(), shift=st.integers(0, 255))
@example(text=CHAT, shift=7)
def test_bytes_come_back(text: str, shift: int) -> None:
    tokenizer = ByteTokenizer(shift)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(0 <= token < tokenizer.size for token in ids)


def test_specials_and_the_separator_are_one_token_each() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.encode("<|im_start|>\n\n<|im_end|>") == [1, 3, tokenizer.eos_id]
    assert tokenizer.decode([1, 3, 2], skip_special=True) == "\n\n"


def test_shifted_tokenizers_disagree() -> None:
    assert ByteTokenizer().encode("7") != ByteTokenizer(shift=1).encode("7")


def test_the_saved_tokenizer_has_the_same_ids(tmp_path: Path) -> None:
    save_byte_tokenizer(tmp_path)
    saved, own = CheckpointTokenizer(tmp_path), ByteTokenizer()
    assert (saved.eos_id, saved.size) == (own.eos_id, own.size)
    for text in (CHAT, "a\n\n\n\nb", " 1,  2", "naïve ½", ""):
        ids = own.encode(text)
        assert saved.encode(text) == ids
        for skip_special in (False, True):
            expected = own.decode(ids, skip_special=skip_special)
            assert saved.decode(ids, skip_special=skip_special) == expected


def test_a_directory_without_a_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot load its tokenizer"):
        CheckpointTokenizer(tmp_path)
