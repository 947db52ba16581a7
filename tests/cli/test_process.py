"""What every command sets in its own process."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

RUN = """
import asyncio, sys
{before}
from rsd.cli.process import prepare_process
prepare_process()
async def loop(): return type(asyncio.get_running_loop()).__module__
print(asyncio.run(loop()))
"""


def loop_of(before: str = "") -> str:
    command = [sys.executable, "-c", RUN.format(before=before)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_uvloop_is_taken_where_it_is_installed() -> None:
    pytest.importorskip("uvloop")
    assert loop_of().startswith("uvloop")


def test_without_uvloop_it_is_asyncios() -> None:
    assert loop_of("sys.modules['uvloop'] = None").startswith("asyncio")


def test_as_many_connections_as_the_system_allows() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = f"""
import atexit, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
atexit.register(lambda: print(resource.getrlimit(resource.RLIMIT_NOFILE)))
"""
    assert loop_of(before).endswith(str((hard, hard)))
