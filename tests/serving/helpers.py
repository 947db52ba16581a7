"""Configurations, fake server commands, and a look at which of their processes live."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rsd.config import Config, parse
from rsd.serving import ServerCommand
from rsd.types import ROLES, Role

HERE = Path(__file__).parent
PATIENCE_S = 240


def config(**draft: Any) -> Config:
    """Three models on the hub; `draft` replaces keys of the draft."""
    models = {
        role: {
            "model": f"org/{role}",
            "served_name": role,
            "endpoint": f"http://127.0.0.1:{port}/v1",
        }
        for port, role in enumerate(ROLES, start=8101)
    }
    models["draft"] |= draft
    return parse({"name": "test", "models": models, "tasks": {"names": ["demo"]}}, "test.yaml")


def fake(
    role: Role, port: int, *arguments: str, gpus: frozenset[str] = frozenset()
) -> ServerCommand:
    """The command of a fake server on `port`."""
    program = (sys.executable, "-I", "-S", str(HERE / "fake_server.py"), "--port", str(port))
    return ServerCommand(
        role, (*program, *arguments), {}, "127.0.0.1", port, gpus=gpus, memory_share=0.3
    )


def pids(log_dir: Path) -> list[int]:
    """What the fakes wrote into their logs: each server and its worker."""
    logs = "\n".join(path.read_text() for path in log_dir.glob("*.log"))
    return [int(pid) for pid in re.findall(r"^(?:server|worker) (\d+)$", logs, re.MULTILINE)]


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def all_gone(log_dir: Path) -> bool:
    """Whether no process of the fakes is left. False if none ever was."""
    started = pids(log_dir)
    return bool(started) and not any(alive(pid) for pid in started)
