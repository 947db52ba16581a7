"""Prompts from names, texts and chat templates."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoTokenizer

from rsd.config import DecodingConfig, load
from rsd.prompts import TEMPLATES, ChatTemplate, Conversation, render, user_text

CHATML = "data/demo/draft"
BRACKETS = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% if enable_thinking %}<think>\n{% endif %}"
    "{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(CHATML)


def decoding(**keys: Any) -> DecodingConfig:
    return DecodingConfig.model_validate(keys)


def test_a_template_is_a_name_or_a_text_with_the_question() -> None:
    assert render("plain", "{1}?") == "{1}?\n\n"
    assert render("Q: {question}\nA:", "{1}?") == "Q: {1}?\nA:"
    with pytest.raises(ValueError, match=r"'Q:' is no name \(.*plain.*\) and has no \{question\}"):
        render("Q:", "?")


@pytest.mark.parametrize("name", TEMPLATES)
def test_names_are_as_before(name: str) -> None:
    assert render(name, "1+1?").count("1+1?") == 1
    assert decoding(prompt=name).prompt == name


def test_what_the_user_says_is_a_name_or_a_text() -> None:
    assert user_text("question", "1+1?") == "1+1?"
    assert user_text("boxed", "1+1?").startswith("1+1?\n\nPlease reason step by step")
    assert user_text("Solve {question} now", "1+1?") == "Solve 1+1? now"


def test_the_models_own_template_is_rendered(tokenizer: Any) -> None:
    chat = ChatTemplate(tokenizer, beginning="First, ")
    turns = Conversation("Be brief.", "Q: {question}", [("1+1?", "2")]).turns("2+2?")
    prefix = chat.prefix(turns)
    assert prefix.text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nQ: 1+1?<|im_end|>\n"
        "<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\nQ: 2+2?<|im_end|>\n"
        "<|im_start|>assistant\nFirst, "
    )
    assert prefix.token_ids == tuple(tokenizer.encode(prefix.text, add_special_tokens=False))


def test_the_named_template_of_the_demo_is_its_chat_template(tokenizer: Any) -> None:
    system = "Please reason step by step, and put your final answer within \\boxed{}."
    turns = Conversation(system).turns("1+1?")
    assert ChatTemplate(tokenizer).prefix(turns).text == render("qwen25-math-cot", "1+1?")


def test_arguments_of_the_template_are_passed(tokenizer: Any) -> None:
    chat = ChatTemplate(tokenizer, {"enable_thinking": True}, template=BRACKETS)
    assert chat.render([{"role": "user", "content": "1+1?"}]).endswith("[assistant] <think>\n")
    plain = ChatTemplate(tokenizer, template=BRACKETS)
    assert plain.render([{"role": "user", "content": "1+1?"}]).endswith("[assistant] ")
    assert plain.with_kwargs({"enable_thinking": True}).kwargs == {"enable_thinking": True}
    assert plain.with_kwargs({"reasoning_effort": "low"}).kwargs == {}  # it is not read


def test_a_template_that_refuses_is_one_line(tokenizer: Any) -> None:
    chat = ChatTemplate(tokenizer, template="{{ raise_exception('no\n system') }}")
    with pytest.raises(ValueError, match="refuses these turns: no system"):
        chat.render([{"role": "system", "content": "x"}])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"prompt": "qwen"}, "unknown template 'qwen'; use chat, llama3-math-cot"),
        ({"system": "x"}, "system is only read with prompt: chat"),
        ({"prompt": "chat", "user": "x"}, "'x' is no name"),
        ({"prompt": "chat", "profile": "paper"}, "the profile paper has one prompt"),
        ({"prompt": "chat", "examples": [{"question": "x"}]}, "answer"),
    ],
)
def test_settings_that_cannot_be_meant(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decoding(**keys)


def test_digests_know_the_chat_and_are_else_as_before() -> None:
    def digest(*overrides: str) -> str:
        return load("configs/demo.yaml", overrides).digest  # type: ignore[arg-type]

    chats = ["decoding.prompt=chat", "decoding.system=a", "decoding.user=boxed"]
    digests = {digest(*chats[:n]) for n in range(4)}
    assert len(digests) == 4
    assert not {"system", "user"} & decoding().determinants().keys()
