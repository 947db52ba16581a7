"""The family's byte-level BPE tokenizer, shared by its three models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from demo_family.problems import STEP_SEPARATOR

END_OF_TEXT, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, IM_START, IM_END)
VOCABULARY_SIZE = 960

SYSTEM_PROMPT = "Please reason step by step, and put your final answer within \\boxed{}."
PROMPT = (
    f"{IM_START}system\n{SYSTEM_PROMPT}{IM_END}\n"
    f"{IM_START}user\n{{question}}{IM_END}\n{IM_START}assistant\n"
)

# The pieces that every tokenizer of a Qwen2 model is cut into: transformers builds them into its
# tokenizer class for this architecture, whatever `tokenizer.json` says.
PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def prompt_of(question: str) -> str:
    """The text that draft and target continue (the `qwen25-math-cot` prompt)."""
    return PROMPT.replace("{question}", question)


def reward_prompt_of(question: str) -> str:
    """The text before the first step as the PRM reads it: Skywork's, with no chat template."""
    return f"{END_OF_TEXT}{question}\n"


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE) -> Tokenizer:
    """Learn the merges; deterministic in the texts and their order.

    No text may hold a line break beside anything else: then no merge joins a full stop and the
    blank line after it, and a solution is encoded the same whole or step by step.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, directory: Path, max_length: int = 2048) -> None:
    """Write the files that `AutoTokenizer.from_pretrained(directory)` reads."""
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=IM_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[IM_START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(directory)


def load_tokenizer(directory: Path) -> Tokenizer:
    return Tokenizer.from_file(str(directory / "tokenizer.json"))


def separator_id(tokenizer: Tokenizer) -> int:
    """The id of the one token that ends a step."""
    (token,) = tokenizer.encode(STEP_SEPARATOR).ids
    return token
