"""A launcher to be killed: `launcher.py LOG_DIR PORT...` runs fake servers, prints "ready"."""

from __future__ import annotations

import sys
from pathlib import Path

from helpers import fake

from rsd.serving import running
from rsd.types import ROLES

if __name__ == "__main__":
    commands = [fake(role, int(port)) for role, port in zip(ROLES, sys.argv[2:], strict=False)]
    with running(commands, log_dir=Path(sys.argv[1])) as supervisor:
        print("ready", flush=True)
        supervisor.watch()
