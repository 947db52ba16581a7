"""Benchmarks on fake servers, and their results somewhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import Cluster
from harness import common

from rsd.types import ROLES


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the benchmarks leave their results."""
    folder = tmp_path / "results"
    monkeypatch.setattr(common, "RESULTS", folder)
    return folder


@pytest.fixture
def demo(cluster: Cluster) -> common.Demo:
    """The demo's configuration on fake servers, with their benchmark and their tokenizer."""
    config = cluster.config()
    servers = [
        override
        for role in ROLES
        for override in (
            f"models.{role}.endpoint={config.models.role(role).endpoint}",
            f"models.{role}.model={config.models.role(role).model}",
        )
    ]
    places = (f"tasks.data_dir={config.tasks.data_dir}", f"run.output_dir={config.run.output_dir}")
    return common.Demo((*servers, *places))


@pytest.fixture
def as_demo_servers(demo: common.Demo) -> object:
    """To put in place of `demo_servers`."""

    @contextmanager
    def demo_servers(*arguments: object, **options: object) -> Iterator[common.Demo]:
        yield demo

    return demo_servers
