"""Bodies of requests, checked.

A list is refused at its first wrong item, and objects with fixed keys are limited in size: to
collect all errors of a large body takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from rsd.gateway.errors import GatewayError
from rsd.gateway.openai.fields import NEUTRAL, NEUTRAL_IN_RESPONSES, refuse_unsupported

_MOST_OPTIONS = 16
_MOST_STOPS = 16
_LONGEST_STOP = 1000  # characters
_OTHER_PARTS = frozenset(
    "image_url input_image image_embeds audio_url input_audio video_url file input_file "
    "refusal".split()
)


def _encodable(text: str) -> str:
    """JSON can hold half of a surrogate pair, which no request to a server can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no text") from None
    return text


def _stop_strings(value: Any) -> list[str]:
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or not all(isinstance(each, str) for each in strings):
        raise ValueError("give a string or a list of strings")
    if len(strings) > _MOST_STOPS:
        raise ValueError(f"at most {_MOST_STOPS} stop strings; {len(strings)} were sent")
    if not all(0 < len(each) <= _LONGEST_STOP for each in strings):
        raise ValueError(f"a stop string has 1 to {_LONGEST_STOP} characters")
    return [_encodable(each) for each in strings]


_Text = Annotated[str, AfterValidator(_encodable)]
_Texts = Annotated[list[_Text], Field(fail_fast=True)]
_Ids = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, fail_fast=True)]
_IdLists = Annotated[list[_Ids], Field(fail_fast=True)]
_Stops = Annotated[
    list[str], BeforeValidator(_stop_strings, json_schema_input_type=str | list[str])
]
_Count = Annotated[int, Field(ge=1)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Options(_Body):
    """An object with fixed keys."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_small(cls, values: Any) -> Any:
        if isinstance(values, dict) and len(values) > _MOST_OPTIONS:
            raise ValueError(f"more than {_MOST_OPTIONS} keys")
        return values


class RsdOptions(_Options):
    """What a request may change of RSD. With `include_steps` the answer holds every step, rejected
    ones too, with its text."""

    threshold: float | None = None
    include_steps: bool = False


class StreamSettings(_Options):
    """`continuous_usage_stats`, an extension of vLLM, puts the usage so far into every chunk."""

    include_usage: bool = False
    continuous_usage_stats: bool = False
    include_obfuscation: bool = False  # ignored: nothing is obfuscated


class ObfuscationSettings(_Options):
    include_obfuscation: bool = False  # ignored: nothing is obfuscated


def _only_text(kind: Any) -> Any:
    if kind not in ("text", "input_text", "output_text"):
        named = kind if isinstance(kind, str) and kind in _OTHER_PARTS else "this type"
        raise ValueError(f"{named} is not supported; only parts of type text are read here")
    return kind


def _only_messages(kind: Any) -> Any:
    if kind != "message":
        raise ValueError("only items of type message are read here; no tools, no references")
    return kind


class TextPart(_Body):
    """A part of a turn. Parts other than text are refused."""

    type: Annotated[Literal["text", "input_text", "output_text"], BeforeValidator(_only_text)]
    text: _Text


class ChatTurn(_Body):
    """A message of a conversation."""

    type: Annotated[Literal["message"], BeforeValidator(_only_messages)] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: _Text | Annotated[list[TextPart], Field(fail_fast=True)] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


_Turns = Annotated[list[ChatTurn], Field(min_length=1, fail_fast=True)]


class SamplingFields(_Body):
    """Fields that a request passes on to the model servers: each is a key of the section
    `decoding`, which decides where the request does not."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None

    @property
    def sampling(self) -> dict[str, Any]:
        """The keys of `decoding` that the request sets."""
        values = {name: getattr(self, name) for name in SamplingFields.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class GatewayRequest(SamplingFields):
    """What all routes take. `ignore_eos` is for load generators: the answer then has exactly
    `max_tokens` tokens."""

    neutral: ClassVar[Mapping[str, tuple[Any, ...]]] = NEUTRAL

    model: str
    stop: _Stops | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    ignore_eos: bool | None = None
    stream: bool | None = None
    rsd: RsdOptions | None = None

    @property
    def wanted_tokens(self) -> int | None:
        """The limit that the request sets for one answer."""
        names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
        limits = [getattr(self, name, None) for name in names]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def answers_per_prompt(self) -> int:
        return getattr(self, "n", None) or 1

    @property
    def include_steps(self) -> bool:
        return self.rsd is not None and self.rsd.include_steps

    def refuse_unsupported(self) -> None:
        """Raises `GatewayError` (400) for the first field that is not supported."""
        refuse_unsupported(self.model_extra or {}, self.neutral, type(self).model_fields)


class _CompletionsRequest(GatewayRequest):
    n: _Count | None = None
    max_tokens: _Count | None = None
    stream_options: StreamSettings | None = None

    def refuse_unsupported(self) -> None:
        super().refuse_unsupported()
        if self.stream_options is not None and not self.stream:
            message = "stream_options needs stream to be true"
            raise GatewayError(400, message, param="stream_options")


class CompletionRequest(_CompletionsRequest):
    """A request to `/v1/completions`."""

    neutral = {**NEUTRAL, "add_special_tokens": (True,)}

    prompt: _Text | _Texts | _Ids | _IdLists

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt, as text or token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        ids = [token for token in self.prompt if isinstance(token, int)]
        return [ids] if ids else [each for each in self.prompt if not isinstance(each, int)]


class ChatRequest(_CompletionsRequest):
    """A request to `/v1/chat/completions`."""

    neutral = {**NEUTRAL, "add_special_tokens": (False,)}
    turns_field: ClassVar[str] = "messages"

    messages: _Turns
    max_completion_tokens: _Count | None = None
    reasoning_effort: str | None = None

    @property
    def turns(self) -> Sequence[ChatTurn]:
        return self.messages

    def refuse_unsupported(self) -> None:
        super().refuse_unsupported()
        for place, turn in enumerate(self.messages):
            for name in ("tool_calls", "function_call", "audio"):
                if (turn.model_extra or {}).get(name):
                    raise GatewayError(
                        400,
                        f"{name} is not supported: turns hold text only; leave it out",
                        code="unsupported_parameter",
                        param=f"messages.{place}.{name}",
                    )


class ResponsesRequest(GatewayRequest):
    """A request to `/v1/responses`. Nothing of it is stored."""

    neutral = NEUTRAL_IN_RESPONSES
    turns_field: ClassVar[str] = "input"

    input: _Text | _Turns
    instructions: _Text | None = None
    max_output_tokens: _Count | None = None
    reasoning: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    stream_options: ObfuscationSettings | None = None

    @property
    def reasoning_effort(self) -> str | None:
        effort = (self.reasoning or {}).get("effort")
        return effort if isinstance(effort, str) else None

    @property
    def turns(self) -> Sequence[ChatTurn]:
        if isinstance(self.input, str):
            turns = [ChatTurn(role="user", content=self.input)]
        else:
            turns = self.input
        if self.instructions is None:
            return turns
        return [ChatTurn(role="system", content=self.instructions), *turns]

    def refuse_unsupported(self) -> None:
        super().refuse_unsupported()
        if (self.text or {}).get("format") not in (None, {"type": "text"}):
            raise GatewayError(
                400,
                "text.format is not supported here; leave it out, or set its type to text",
                code="unsupported_parameter",
                param="text.format",
            )
