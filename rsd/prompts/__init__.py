"""Prompts: how a question becomes the text that draft and target continue.

`decoding.prompt` is the name of a template (`TEMPLATES`), a text with `{question}`, or `chat`: each
model's own chat template.
"""

from rsd.prompts.chat import ChatTemplate, Conversation, Turn
from rsd.prompts.named import CHAT, SLOT, TEMPLATES, USER_TEXTS, render, user_text

__all__ = [
    "CHAT",
    "SLOT",
    "TEMPLATES",
    "USER_TEXTS",
    "ChatTemplate",
    "Conversation",
    "Turn",
    "render",
    "user_text",
]
