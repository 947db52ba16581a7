"""Bodies of requests: OpenAI's fields, checked, and the object `rsd`.

A field that is known to change the answer and is not supported is refused unless it asks for
nothing; so is an unknown field, which may be a misspelt one. Harmless ones are ignored. A list is
refused at its first wrong item: to collect all of a large body takes seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rsd.gateway.errors import GatewayError

_HARMLESS = frozenset(
    "user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention "
    "parallel_tool_calls request_id priority".split()
)

_NOTHING: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "length_penalty": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "prompt_logprobs": (),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "top_k": (-1, 0),
    "min_p": (0,),
    "min_tokens": (0,),
    "ignore_eos": (False,),
    "use_beam_search": (False,),
    "include_stop_str_in_output": (False,),
    "skip_special_tokens": (True,),
    "spaces_between_special_tokens": (True,),
    "add_generation_prompt": (True,),
    "continue_final_message": (False,),
    "return_token_ids": (False,),
    "stop_token_ids": ([],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
"""Fields that are not supported, each with the values that ask for nothing; null does too."""


_MOST_KEYS = 16
SHOWN = 100  # characters of a client's own text in a refusal


def _encodable(text: str) -> str:
    """JSON can hold half of a surrogate pair, which no request to a server can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no text") from None
    return text


_Unicode = Annotated[str, AfterValidator(_encodable)]
_Text = Annotated[str, Field(min_length=1, max_length=1000)]
_Texts = Annotated[list[_Unicode], Field(fail_fast=True)]
_Ids = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, fail_fast=True)]
_IdLists = Annotated[list[_Ids], Field(fail_fast=True)]


def _same(value: object, other: object) -> bool:
    """Equal, and both or none a truth value: 0 log-probabilities are not the same as none."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class RsdOptions(_Body):
    """What a request may change of RSD. `include_steps` has the answer tell every step, rejected
    ones too, with its text."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    threshold: float | None = None
    include_steps: bool = False

    @model_validator(mode="before")
    @classmethod
    def _is_small(cls, values: Any) -> Any:
        if isinstance(values, dict) and len(values) > _MOST_KEYS:
            raise ValueError(f"more than {_MOST_KEYS} keys")
        return values


class StreamChoices(_Body):
    include_usage: bool = False


class GatewayRequest(_Body):
    """What both routes take."""

    model: str
    n: Annotated[int, Field(ge=1)] | None = None
    stop: _Text | Annotated[list[_Text], Field(max_length=16, fail_fast=True)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamChoices | None = None
    rsd: RsdOptions | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def wanted_tokens(self) -> int | None:
        return self.max_tokens

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def include_steps(self) -> bool:
        return self.rsd is not None and self.rsd.include_steps

    def refuse_unsupported(self) -> None:
        """Raises `GatewayError` (400) for the first field that would change the answer."""
        for name, value in (self.model_extra or {}).items():
            if value is None or name in _HARMLESS:
                continue
            if name not in _NOTHING:
                known = name[:SHOWN]
                raise GatewayError(
                    400, f"unknown field {known!r}", code="unknown_parameter", param=known
                )
            if not any(_same(value, nothing) for nothing in _NOTHING[name]):
                raise GatewayError(
                    400,
                    f"{name} is not supported here; leave it out",
                    code="unsupported_parameter",
                    param=name,
                )
        if self.stream_options is not None and not self.stream:
            raise GatewayError(
                400, "stream_options needs stream to be true", param="stream_options"
            )


class CompletionRequest(GatewayRequest):
    """A request to `/v1/completions`."""

    prompt: _Unicode | _Texts | _Ids | _IdLists

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt, as text or token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        ids = [token for token in self.prompt if isinstance(token, int)]
        return [ids] if ids else [each for each in self.prompt if not isinstance(each, int)]


class TextPart(_Body):
    type: Literal["text"]
    text: _Unicode


class ChatTurn(_Body):
    """A turn. Parts of a turn other than text are refused."""

    role: Literal["system", "developer", "user", "assistant"]
    content: _Unicode | Annotated[list[TextPart], Field(fail_fast=True)] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(GatewayRequest):
    """A request to `/v1/chat/completions`."""

    messages: Annotated[list[ChatTurn], Field(min_length=1, fail_fast=True)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None

    @property
    def wanted_tokens(self) -> int | None:
        both = (self.max_tokens, self.max_completion_tokens)
        return min((n for n in both if n is not None), default=None)

    def refuse_unsupported(self) -> None:
        """See `GatewayRequest.refuse_unsupported`."""
        super().refuse_unsupported()
        for place, message in enumerate(self.messages):
            for name in ("tool_calls", "function_call", "audio"):
                if (message.model_extra or {}).get(name):
                    raise GatewayError(
                        400,
                        f"{name} is not supported here",
                        code="unsupported_parameter",
                        param=f"messages.{place}.{name}",
                    )
