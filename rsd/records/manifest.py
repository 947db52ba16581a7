"""What `manifest.json` holds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rsd.records.base import Record
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
    """Token-level speculative decoding as the target's server counts it: `drafts` that it
    checked, their `drafted` tokens, and how many of these it `accepted`."""

    drafts: int
    drafted: int
    accepted: int


class ServedTokens(Record):
    """What the servers of a role did by their own counters: prompt tokens that they `read`, of
    which the prefix cache held `cached`, and tokens that they `generated`."""

    read: int
    cached: int
    generated: int


class Session(Record):
    """One stretch of work on a run. `ended_at` is None while it lasts, and stays None if it was
    killed. `concurrency` is what was configured, `peak_concurrency` the most problems that were
    in flight at once. `served` is what the servers did meanwhile, for whomever, without those
    that did not say; `speculation` likewise for the target's, None if it does not decode
    speculatively."""

    started_at: float
    ended_at: float | None = None
    concurrency: Literal["auto"] | int
    peak_concurrency: int | None = None
    served: dict[Role, ServedTokens] = Field(default_factory=dict)
    speculation: Speculation | None = None

    @property
    def in_flight(self) -> int | None:
        """The most problems at once, as counted or else as configured; None if nobody knows."""
        if self.peak_concurrency is not None:
            return self.peak_concurrency
        return None if self.concurrency == "auto" else self.concurrency


class Manifest(Record):
    """What a run was made with: `models` that it used, and `parameters` of all three, None where
    neither the configuration nor a local checkpoint tells; `speculative_parameters` likewise of
    the draft within the target's server. `asked` is how many solutions each task asks for; empty
    in runs of before it was noted."""

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
