"""The section `gateway`: what `rsd gateway` serves, to whom, and within which limits."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, field_validator, model_validator

from rsd.config.strict import PositiveInt, Strict

_Positive = Annotated[float, Field(gt=0)]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,]+")

MODELS: dict[str, dict[str, Any]] = {
    "rsd": {"strategy": "rsd"},
    "draft": {"strategy": "draft"},
    "target": {"strategy": "target"},
    "bon-8": {"strategy": "best_of_n", "candidates": 8, "temperature": 0.7},
    "maj-8": {"strategy": "majority", "candidates": 8, "temperature": 0.7},
}
"""What is served unless `gateway.models` says otherwise."""


class GatewayConfig(Strict):
    """How RSD is served as an OpenAI-compatible endpoint. Nothing here changes a run."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    models: dict[str, dict[str, Any]] = Field(
        MODELS,
        min_length=1,
        description="id of a model: what it changes of the section decoding",
    )
    system: str | None = Field(None, description="system turn of chats that have none")
    api_keys_env: str = Field(
        "RSD_GATEWAY_KEYS",
        description="environment variable with the accepted keys, separated by commas; only on a "
        "loopback host may it be unset, and no key is asked for then",
    )
    allowed_origins: list[str] = Field(
        [],
        description="web pages that may call the gateway from a browser, such as "
        'http://localhost:3000, or "*" for all (CORS)',
    )
    concurrency: PositiveInt = Field(32, description="requests worked on at the same time")
    queue: Annotated[int, Field(ge=0)] = Field(64, description="requests that may wait; then 429")
    deadline_s: _Positive = Field(600.0, description="for one request, its wait included")
    drain_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        30.0, description="for what is in work when the gateway is stopped"
    )
    health_interval_s: _Positive = 5.0
    max_connections: PositiveInt = Field(
        512, description="open connections; a further one takes the place of one that is idle"
    )
    max_header_bytes: PositiveInt = Field(
        32 * 1024, description="of a request's line and headers together"
    )
    header_timeout_s: _Positive = Field(10.0, description="for a request's line and headers")
    body_timeout_s: _Positive = Field(30.0, description="for a request's body")
    send_timeout_s: _Positive = Field(
        30.0, description="how long a client may read nothing of what is sent to it"
    )
    keep_alive_s: _Positive = Field(
        10.0, description="a stream is sent a comment when nothing was sent for so long"
    )
    max_body_bytes: PositiveInt = 1 << 20
    max_body_values: PositiveInt = Field(
        100_000, description="JSON values in a body: keys, texts, numbers, lists, objects"
    )
    max_large_bodies: PositiveInt = Field(
        16, description="bodies of more than 32 KiB that may be arriving at the same time"
    )
    max_tokens: PositiveInt | None = Field(
        None,
        description="the largest max_tokens of a request, a larger one is lowered to it; "
        "None: decoding.max_tokens",
    )
    max_choices: PositiveInt = Field(8, description="answers a request: n times its prompts")
    threshold_range: tuple[FiniteFloat, FiniteFloat] = Field(
        (0.0, 1.0), description="of the threshold that a request may set"
    )
    on_prm_loss: Literal["target", "draft", "error"] = Field(
        "target", description="who answers alone while the reward model is down; error: 503"
    )
    on_draft_loss: Literal["target", "error"] = "target"
    log_prompts: bool = Field(False, description="write prompts to the log")

    @field_validator("models")
    @classmethod
    def _are_ids(cls, models: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name in models:
            if not name.strip() or len(name) > 64:
                raise ValueError(f"{name!r} is no id of a model: 1 to 64 characters")
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
