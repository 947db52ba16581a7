"""Fields of requests that the gateway does not read: which are ignored, and which are refused.

To support one, delete its entry here and declare it: in `SamplingFields` if it is a key of the
section `decoding` that a request may set, else in the class of the request.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from rsd.gateway.errors import SHOWN, GatewayError

IGNORED = frozenset(
    "user metadata store service_tier safety_identifier prediction verbosity reasoning_effort "
    "prompt_cache_key prompt_cache_retention prompt_cache_options parallel_tool_calls "
    "max_tool_calls request_id session_id priority cache_salt include_reasoning stream_interval "
    "mm_processor_kwargs media_io_kwargs return_tokens_as_token_ids".split()
)
"""Fields that cannot change the answer."""

_UNSUPPORTED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("frequency_penalty presence_penalty min_p min_tokens top_logprobs", (0,)),
    ("repetition_penalty length_penalty typical_p best_of", (1,)),
    ("top_k", (-1, 0)),
    ("logit_bias chat_template_kwargs structured_outputs repetition_detection", ({},)),
    ("bad_words allowed_token_ids stop_token_ids logits_processors documents", ([],)),
    ("use_beam_search early_stopping include_stop_str_in_output echo logprobs", (False,)),
    ("continue_final_message return_token_ids return_token_offsets return_prompt_text", (False,)),
    ("add_generation_prompt skip_special_tokens spaces_between_special_tokens", (True,)),
    ("suffix", ("",)),
    ("response_format", ({"type": "text"},)),
    ("modalities", (["text"],)),
    ("tools functions", ([],)),
    ("tool_choice function_call", ("none", "auto")),
    ("web_search_options audio moderation prompt_embeds prompt_logprobs watermarking", ()),
    ("chat_template truncate_prompt_tokens thinking_token_budget", ()),
    ("guided_json guided_regex guided_choice guided_grammar", ()),
)
"""Fields that would change the answer, and the values with which they ask for nothing; null does
too."""

_UNSUPPORTED_IN_RESPONSES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("background add_special_tokens", (False,)),
    ("context_management", ([],)),
    ("conversation previous_response_id prompt", ()),
    ("include", ([], ["reasoning.encrypted_content"])),
    ("truncation", ("disabled", "auto")),
)
"""The same for fields that only `/v1/responses` has."""

NEUTRAL = {name: values for names, values in _UNSUPPORTED for name in names.split()}
NEUTRAL_IN_RESPONSES = NEUTRAL | {
    name: values for names, values in _UNSUPPORTED_IN_RESPONSES for name in names.split()
}

_NO_TOOLS = "the models here call no tools"
_STATELESS = "responses are not stored here; send the whole conversation as input"
_WHY = {
    "tools": _NO_TOOLS,
    "tool_choice": f"no tool can be forced, because {_NO_TOOLS}",
    "functions": _NO_TOOLS,
    "function_call": f"no function can be forced, because {_NO_TOOLS}",
    "web_search_options": _NO_TOOLS,
    "audio": "only text is written here",
    "modalities": "only text is written here",
    "previous_response_id": _STATELESS,
    "conversation": _STATELESS,
    "background": _STATELESS,
}


def refuse_unsupported(
    extra: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]], known: Iterable[str]
) -> None:
    """Raises `GatewayError` (400) for the first of the `extra` fields that would change the answer
    or is unknown. `neutral` are the unsupported fields of the route, `known` the supported ones."""
    for name, value in extra.items():
        if value is None or name in IGNORED:
            continue
        if name == "tools" and extra.get("tool_choice") == "none":
            continue
        if name not in neutral:
            raise _unknown(name, [*known, *neutral])
        if not any(_same(value, nothing) for nothing in neutral[name]):
            why = f": {_WHY[name]}" if name in _WHY else " here"
            raise GatewayError(
                400,
                f"{name} is not supported{why}; leave it out",
                code="unsupported_parameter",
                param=name,
            )


def _unknown(name: str, known: Iterable[str]) -> GatewayError:
    """Refused, because it may be a misspelt one."""
    shown = name[:SHOWN]
    close = difflib.get_close_matches(shown, list(known), 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    message = f"unknown field {shown!r}{hint}"
    return GatewayError(400, message, code="unknown_parameter", param=shown)


def _same(value: object, other: object) -> bool:
    """Equal, and both or none a truth value: 0 log-probabilities are not the same as none."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)
