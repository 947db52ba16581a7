"""The three demo servers: real vLLM on the CPU, with the bundled models, on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common import free_ports

from rsd.config import Config, load
from rsd.serving import build, running
from rsd.types import ROLES

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"


@dataclass(frozen=True)
class Demo:
    """The demo's configuration on the ports where its servers listen; `overrides` says where,
    as arguments of `rsd`."""

    overrides: tuple[str, ...]

    def config(self, *more: str) -> Config:
        return load(DEMO, [*self.overrides, *more])

    def arguments(self, *more: str) -> list[str]:
        return [part for override in (*self.overrides, *more) for part in ("-o", override)]


@contextmanager
def demo_servers(root: Path) -> Iterator[Demo]:
    """The three servers, answering. Logs and runs go below `root`."""
    endpoints = [
        f"models.{role}.endpoint=http://127.0.0.1:{port}/v1"
        for role, port in zip(ROLES, free_ports(len(ROLES)), strict=True)
    ]
    demo = Demo((*endpoints, f"run.output_dir={root / 'runs'}"))
    commands = [build(demo.config(), role) for role in ROLES]
    with running(commands, log_dir=root / "logs", announce=print):
        yield demo
