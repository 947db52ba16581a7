from __future__ import annotations

from collections.abc import Iterator

import pytest
from demo_servers import Demo, demo_servers


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo_servers(tmp_path_factory.mktemp("demo")) as servers:
        yield servers
