"""The contents of `manifest.json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rsd.records.rows import Record
from rsd.types import Role


class ServedModel(Record):
    """A model as its server described it when the run began. `replicas` is the number of servers
    behind the endpoint, as configured."""

    endpoint: str
    replicas: int = 1
    served_name: str
    model: str
    context: int
    vllm_version: str | None = None


class Speculation(Record):
    """Token-level speculative decoding within the target's server: number of `drafts` verified,
    tokens `drafted`, tokens `accepted`."""

    drafts: int
    drafted: int
    accepted: int


class ServedTokens(Record):
    """Token counts of a role's servers: prompt tokens `read`, those of them `cached` in the
    prefix cache, and tokens `generated`."""

    read: int
    cached: int
    generated: int


class Session(Record):
    """One execution of a run. `ended_at` is None while it lasts, and stays None if it was killed.
    `concurrency` is the configured limit, `peak_concurrency` the most problems in flight at once.
    `served` are server-wide deltas, including other clients, omitted if unavailable; `speculation`
    likewise, None if the target does not decode speculatively."""

    started_at: float
    ended_at: float | None = None
    concurrency: Literal["auto"] | int
    peak_concurrency: int | None = None
    served: dict[Role, ServedTokens] = Field(default_factory=dict)
    speculation: Speculation | None = None

    @property
    def in_flight(self) -> int | None:
        """The most problems at once, as counted or else as configured; None if unknown."""
        if self.peak_concurrency is not None:
            return self.peak_concurrency
        return None if self.concurrency == "auto" else self.concurrency


class Manifest(Record):
    """The models, versions and sessions of a run. `parameters` is the parameter count of each
    model, None if neither the configuration nor a local checkpoint gives it;
    `speculative_parameters` likewise for the draft within the target's server. `asked` is how many
    solutions each task asks for; empty in runs of older versions."""

    name: str
    digest: str
    models: dict[Role, ServedModel]
    parameters: dict[Role, int | None]
    speculative_parameters: int | None = None
    prefix: str
    seed: int
    asked: dict[str, int] = Field(default_factory=dict)
    versions: dict[str, str]
    git_commit: str | None = None
    host: str
    sessions: tuple[Session, ...] = ()
