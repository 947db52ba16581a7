"""The section `gateway`: the models that `rsd gateway` serves, its clients and its limits."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, field_validator, model_validator

from rsd.config.strict import PositiveFloat, PositiveInt, Strict

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,]+")

MODELS: dict[str, dict[str, Any]] = {
    "rsd": {"strategy": "rsd"},
    "draft": {"strategy": "draft"},
    "target": {"strategy": "target"},
    "bon-8": {"strategy": "best_of_n", "candidates": 8, "temperature": 0.7},
    "maj-8": {"strategy": "majority", "candidates": 8, "temperature": 0.7},
}
"""The models served by default."""


class GatewayConfig(Strict):
    """How RSD is served as an OpenAI-compatible endpoint. Nothing here changes a run."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    models: dict[str, dict[str, Any]] = Field(
        MODELS,
        min_length=1,
        description="model id: the keys of the section decoding that it changes",
    )
    system: str | None = Field(None, description="system turn of chats that have none")
    api_keys_env: str = Field(
        "RSD_GATEWAY_KEYS",
        description="environment variable with the accepted keys, separated by commas; only a "
        "loopback host may do without, and then requires no key",
    )
    allowed_origins: list[str] = Field(
        [],
        description="web pages that may call the gateway from a browser, such as "
        'http://localhost:3000, or "*" for all (CORS)',
    )
    concurrency: PositiveInt = Field(32, description="requests processed concurrently")
    queue: Annotated[int, Field(ge=0)] = Field(
        64, description="further requests that may wait; beyond, 429"
    )
    deadline_s: PositiveFloat = Field(600.0, description="for one request, including its wait")
    drain_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        30.0, description="for requests in progress when the gateway stops"
    )
    health_interval_s: PositiveFloat = 5.0
    max_connections: PositiveInt = Field(
        512, description="open connections; another one replaces an idle one"
    )
    max_header_bytes: PositiveInt = Field(32 * 1024, description="of a request's line and headers")
    header_timeout_s: PositiveFloat = Field(10.0, description="for a request's line and headers")
    body_timeout_s: PositiveFloat = Field(30.0, description="for a request's body")
    send_timeout_s: PositiveFloat = Field(
        30.0, description="how long a client may read nothing of its response"
    )
    keep_alive_s: PositiveFloat = Field(
        10.0, description="a stream is sent a comment when nothing was sent for so long"
    )
    max_body_bytes: PositiveInt = 1 << 20
    max_body_values: PositiveInt = Field(
        100_000, description="JSON values in a body: keys, texts, numbers, lists, objects"
    )
    max_large_bodies: PositiveInt = Field(
        16, description="bodies above 32 KiB received concurrently"
    )
    max_tokens: PositiveInt | None = Field(
        None,
        description="the largest max_tokens of a request, a larger one is lowered to it; "
        "None: decoding.max_tokens",
    )
    max_choices: PositiveInt = Field(8, description="answers for each request: n times its prompts")
    threshold_range: tuple[FiniteFloat, FiniteFloat] = Field(
        (0.0, 1.0), description="of the threshold that a request may set"
    )
    on_prm_loss: Literal["target", "draft", "error"] = Field(
        "target", description="model that answers alone while the reward model is down; error: 503"
    )
    on_draft_loss: Literal["target", "error"] = "target"
    log_prompts: bool = Field(False, description="write prompts to the log")

    @field_validator("models")
    @classmethod
    def _are_ids(cls, models: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name in models:
            if not name.strip() or len(name) > 64:
                raise ValueError(f"{name!r} is not a model id; use 1 to 64 characters")
        return models

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin: write scheme://host[:port] without a path, or *"
                )
        return origins

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        low, high = self.threshold_range
        if not low <= high:
            raise ValueError(f"threshold_range [{low:g}, {high:g}] is empty; put the lower first")
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`, a name or an address without brackets."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
