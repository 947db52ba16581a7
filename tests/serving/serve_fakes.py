"""`rsd`, but `rsd serve` starts fake servers at the configured ports."""

from __future__ import annotations

from dataclasses import replace

from helpers import fake

from rsd.cli.commands import serve as command
from rsd.cli.main import program
from rsd.config import Config
from rsd.serving import ServerCommand, build
from rsd.types import Role


def build_fake(config: Config, role: Role, number: int) -> ServerCommand:
    return replace(fake(role, build(config, role, number).port), number=number)


if __name__ == "__main__":
    command.build = build_fake
    command.preflight.check_vllm = lambda: None
    program()
