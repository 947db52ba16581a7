from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from cluster import Cluster
from fault_proxy import FaultProxy

from rsd.backends import Backoff, CircuitBreaker, Server
from rsd.config import Config
from rsd.types import ROLES, Role


@dataclass(frozen=True)
class Disturbed:
    """A cluster whose servers are reached through proxies; `ports` are theirs."""

    cluster: Cluster
    proxies: dict[Role, FaultProxy]
    overrides: tuple[str, ...]

    def config(self, *more: str) -> Config:
        return self.cluster.config(*self.overrides, *more)

    def arguments(self, *more: str) -> list[str]:
        return [part for override in (*self.overrides, *more) for part in ("-o", override)]


@contextmanager
def disturbed_cluster(cluster: Cluster) -> Iterator[Disturbed]:
    """Proxies, which break nothing until told so, before the servers of `cluster`."""
    config = cluster.config()
    proxies = {role: FaultProxy(config.models.role(role).endpoint) for role in ROLES}
    with ExitStack() as stack:
        urls = {role: stack.enter_context(proxy.in_thread()) for role, proxy in proxies.items()}
        endpoints = (f"models.{role}.endpoint={url}/v1" for role, url in urls.items())
        yield Disturbed(cluster, proxies, tuple(endpoints))


@pytest.fixture
def disturbed(cluster: Cluster) -> Iterator[Disturbed]:
    with disturbed_cluster(cluster) as there:
        yield there


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "backoff", Backoff(first_s=0.005, most_s=0.02))
    monkeypatch.setattr(CircuitBreaker, "backoff", Backoff(first_s=0.01, most_s=0.05))
