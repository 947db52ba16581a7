"""`rsd mock` as a user runs it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from rsd.backends import CompletionsGenerator, Server
from rsd.cli.commands.mock import mock
from rsd.config import load
from rsd.errors import ConfigError, LaunchError
from rsd.prompts import render
from rsd.protocols import Sampling
from rsd.types import ROLES, Prefix

QUESTION = "Ann has 2 pens and gets 3. How many?"
COMMAND = "import sys; from rsd.cli.main import program; sys.argv[1:] = {arguments!r}; program()"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> Path:
    models = {
        role: {
            "model": f"org/{role}",
            "served_name": role,
            "endpoint": f"http://127.0.0.1:{port}/v1",
        }
        for role, port in zip(ROLES, free_ports(3), strict=True)
    }
    rows = tmp_path / "data" / "demo" / "test.jsonl"
    rows.parent.mkdir(parents=True)
    rows.write_text(json.dumps({"question": QUESTION, "answer": "2 + 3 = 5 pens.\n#### 5"}))
    tasks = {"names": ["demo"], "data_dir": str(tmp_path / "data")}
    path = tmp_path / "fake.yaml"
    path.write_text(yaml.safe_dump({"name": "fake", "models": models, "tasks": tasks}))
    return path


@pytest.fixture(name="process")
def _process(config: Path) -> Iterator[subprocess.Popen[str]]:
    code = COMMAND.format(arguments=["mock", str(config)])
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_it_answers_for_three_models_until_interrupted(
    config: Path, process: subprocess.Popen[str]
) -> None:
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert [line.split()[0] for line in lines[:3]] == list(ROLES)
    assert lines[3].startswith("ready")

    models = load(config).models

    async def ask() -> str:
        target = Server("target", models.target)
        generator = CompletionsGenerator(target, context=4096, use_token_ids=False)
        prompt = Prefix(render("qwen25-math-cot", QUESTION))
        try:
            return (await generator.generate(prompt, max_tokens=99, sampling=Sampling())).text
        finally:
            await target.aclose()

    assert asyncio.run(ask()) == "2 + 3 = 5 pens.\n\nThe answer is \\boxed{5}."
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == ""
    assert process.wait(30) == 130


def invoke(*arguments: str) -> None:
    app = typer.Typer()
    app.command()(mock)
    result = CliRunner().invoke(app, arguments)
    assert result.exception is not None
    raise result.exception


def test_an_endpoint_on_another_machine_is_refused(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.prm\.endpoint: .*gpu1.* is not a port of"):
        invoke(str(config), "-o", "models.prm.endpoint=http://gpu1:8000/v1")


def test_only_one_kind_of_reward_model_is_imitated(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.prm\.kind: rsd mock imitates skywork only"):
        invoke(str(config), "-o", "models.prm.kind=rlhflow")


def test_a_taken_port_is_named(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"port {port} of 127.0.0.1: Address already in use"):
            invoke(str(config), "-o", f"models.target.endpoint=http://127.0.0.1:{port}/v1")


def test_a_missing_extra_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(ConfigError, match=r"clone of rsd: pip install -e '\.\[gateway\]'"):
        invoke(str(config))
