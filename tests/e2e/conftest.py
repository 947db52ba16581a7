from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.common import Demo, demo_servers


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """The three demo servers, started once: real vLLM on the CPU, with the bundled models."""
    with demo_servers() as servers:
        yield servers
