"""Options, fixtures and the order of tests that all folders share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import examples
import pytest
from cluster import Cluster, fake_cluster
from hypothesis import settings

# A shell's background job ignores SIGINT, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# How long an example takes says more of the machine than of the code.
settings.register_profile("rsd", deadline=None)
settings.load_profile("rsd")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough", action="store_true", help="run the slow properties with all their examples"
    )


def pytest_configure(config: pytest.Config) -> None:
    examples.thorough = config.getoption("--thorough")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the fake servers or a browser as slow, and run the files that take longest
    first: those on real servers, then those with slow tests."""
    for item in items:
        if not {"browser", "cluster"}.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda it: (it.get_closest_marker("servers") is None, it.path not in slow))


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With pytest-xdist a file stays on one worker, and one worker has all files on real servers:
    each server starts once. (`--dist loadgroup` of xdist 3.8 has no effect with pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            text = (config.rootpath / file).read_text(encoding="utf-8")
            return "servers" if "pytest.mark.servers" in text else file

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with fake_cluster(tmp_path) as running:
        yield running
