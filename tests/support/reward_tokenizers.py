"""Small tokenizers built as those of the reward models are: the same classes, special tokens,
pre-tokenization and chat formats, with bytes and a few merges for a vocabulary."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    LlamaTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_HEADER = "<|start_header_id|>{{ %s }}<|end_header_id|>\n\n"
LLAMA3 = (
    "{{ bos_token }}" + _HEADER % "'system'" + "Today Date: 26 Jul 2024\n\n<|eot_id|>"
    "{% for message in messages %}"
    + _HEADER
    % "message.role"
    + "{{ message.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}" + _HEADER % "'assistant'" + "{% endif %}"
)
LLAMA3_SPECIALS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
_LLAMA3_SPLIT = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def qwen25_math() -> PreTrainedTokenizerBase:
    """As of Qwen2.5-Math-PRM: byte-level, with `<extra_0>`."""
    vocabulary, merges = _byte_level([("Ċ", "Ċ"), ("Ġ", "t"), ("Ġt", "h"), ("1", "2")])
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=merges)
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|im_start|>", "<|im_end|>", "<extra_0>"]}
    )
    tokenizer.chat_template = CHATML
    return tokenizer


def math_shepherd() -> PreTrainedTokenizerBase:
    """As of Mistral-7B: pieces that begin with the space before a word, bytes for the rest."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", "к", "и", *map(chr, range(33, 127))]
    merges = [("к", "и"), ("▁", "ки"), ("▁", "+"), ("▁", "-"), ("S", "t"), ("▁", "▁")]
    pieces += ["".join(pair) for pair in merges]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    return LlamaTokenizer(vocab=vocabulary, merges=merges)


def rlhflow() -> PreTrainedTokenizerBase:
    """As of Llama 3.1: byte-level, with its split into words and its special tokens."""
    vocabulary, merges = _byte_level([("Ċ", "Ċ"), ("+", "+"), ("Ċ", "+")])
    built = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    built.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_LLAMA3_SPLIT, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens(list(LLAMA3_SPECIALS))
    bos, eos, *_ = LLAMA3_SPECIALS
    built.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, built.token_to_id(bos))]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=built, bos_token=bos, eos_token=eos)
    tokenizer.chat_template = LLAMA3
    return tokenizer


TOKENIZERS = {"qwen25-math": qwen25_math, "math-shepherd": math_shepherd, "rlhflow": rlhflow}


def saved(kind: str, directory: Path) -> Path:
    """The tokenizer of a kind of reward model, written below `directory`."""
    path = directory / kind
    TOKENIZERS[kind]().save_pretrained(path)
    return path


def _byte_level(merges: list[tuple[str, str]]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    pieces = [*bytes_to_unicode().values(), *("".join(pair) for pair in merges)]
    return {piece: index for index, piece in enumerate(pieces)}, merges
