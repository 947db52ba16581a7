"""Prompts: how a question becomes the text that draft and target continue.

`decoding.prompt` is the name of a template (`TEMPLATES`), a text with `{question}`, or `chat`: each
model's own chat template.
"""

from rsd.prompts.chat import ChatTemplate, Conversation, Turn
from rsd.prompts.named import CHAT, SLOT, TEMPLATES, USER_TEXTS, render, user_text
from rsd.prompts.thinking import Tags, find_tags

__all__ = [
    "CHAT",
    "SLOT",
    "TEMPLATES",
    "USER_TEXTS",
    "ChatTemplate",
    "Conversation",
    "Tags",
    "Turn",
    "find_tags",
    "render",
    "user_text",
]
