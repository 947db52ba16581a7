"""The vLLM servers of a configuration: their command lines, start, watch and stop."""

from rsd.serving.command import ServerCommand, build, build_all, numbers
from rsd.serving.supervisor import ServerProcess, Supervisor, running

__all__ = [
    "ServerCommand",
    "ServerProcess",
    "Supervisor",
    "build",
    "build_all",
    "numbers",
    "running",
]
