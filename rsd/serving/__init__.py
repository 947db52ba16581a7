"""The vLLM servers of a configuration: their command lines, start, watch and stop."""

from rsd.serving.command import ServerCommand, build, build_all, numbers
from rsd.serving.supervisor import Server, Supervisor, running

__all__ = ["Server", "ServerCommand", "Supervisor", "build", "build_all", "numbers", "running"]
