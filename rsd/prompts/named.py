"""Prompt templates: texts with a slot for the question.

The question is put in by replacement, so braces in a question or a template mean nothing.
"""

from __future__ import annotations

SLOT = "{question}"

TEMPLATES: dict[str, str] = {
    # ChatML with Qwen2.5-Math's system text; the prompt of the published RSD results.
    "qwen25-math-cot": (
        "<|im_start|>system\n"
        "Please reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n"
        "<|im_start|>user\n" + SLOT + "<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    # The same words in Llama 3's chat format; vLLM puts <|begin_of_text|> before a text prompt.
    "llama3-math-cot": (
        "<|start_header_id|>system<|end_header_id|>\n\n"
        "Please reason step by step, and put your final answer within \\boxed{}.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n" + SLOT + "<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "plain": SLOT + "\n\n",
}

CHAT = "chat"
"""The value of `decoding.prompt` by which each model's own chat template is rendered."""

USER_TEXTS: dict[str, str] = {
    "question": SLOT,
    "boxed": SLOT + "\n\nPlease reason step by step, and put your final answer within \\boxed{}.",
}
"""What the user says in a chat, by name."""


def render(template: str, question: str) -> str:
    """The prompt for `question` under a template, given by its name or as a text with the slot.

    Raises `ValueError` for a text without the slot.
    """
    return fill(TEMPLATES.get(template, template), question, TEMPLATES)


def user_text(text: str, question: str) -> str:
    """What the user says: `text`, a name of `USER_TEXTS` or a text with the slot, filled in.

    Raises `ValueError` for a text without the slot.
    """
    return fill(USER_TEXTS.get(text, text), question, USER_TEXTS)


def fill(template: str, question: str, names: dict[str, str]) -> str:
    """`template` with `question` in its slot. Raises `ValueError`, listing `names`, without one."""
    if SLOT not in template:
        raise ValueError(
            f"{template[:60]!r} is no name ({', '.join(sorted(names))}) and has no {SLOT}"
        )
    return template.replace(SLOT, question)
