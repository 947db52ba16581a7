from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, fake_cluster
from hypothesis import settings

# A shell's background job ignores SIGINT, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# How long an example takes says more of the machine than of the code.
settings.register_profile("rsd", deadline=None)
settings.load_profile("rsd")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one folder on real servers share these, so that one process runs them all; they
    take longest and come first."""
    items.sort(key=lambda item: item.get_closest_marker("servers") is None)
    for item in items:
        if item.get_closest_marker("servers") is not None:
            item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with fake_cluster(tmp_path) as running:
        yield running
