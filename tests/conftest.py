"""Options, fixtures and the order of tests that all folders share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses the fake servers or a browser as slow.

    With pytest-xdist, one worker has all tests on real servers and begins with them; every other
    file stays on one worker, slow files first.
    """
    for item in items:
        if not {"browser", "cluster"}.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    if not hasattr(config, "workerinput"):
        return
    slow = {i.path for i in items if i.get_closest_marker("slow")}
    for item in items:
        servers = item.get_closest_marker("servers") is not None
        item.add_marker(pytest.mark.xdist_group("servers" if servers else str(item.path)))
    items.sort(key=lambda i: (i.get_closest_marker("servers") is None, i.path not in slow))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with fake_cluster(tmp_path) as running:
        yield running
