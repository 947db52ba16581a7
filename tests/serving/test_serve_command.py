from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from serving.helpers import HERE, PATIENCE_S, all_gone, config, wait_until
from typer.testing import CliRunner

from rsd.cli.main import app
from rsd.errors import ConfigError, LaunchError, RsdError

serve = import_module("rsd.cli.commands.serve")


@pytest.fixture
def config_file(tmp_path: Path, ports: list[int]) -> Path:
    values = yaml.safe_load(config().dump())
    for port, model in zip(ports, values["models"].values(), strict=True):
        model["endpoint"] = f"http://127.0.0.1:{port}/v1"
    path = tmp_path / "servers.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_print_gives_one_line_a_server_and_starts_none(config_file: Path) -> None:
    result = CliRunner().invoke(app, ["serve", str(config_file), "--print", "--only", "prm"])
    assert result.exit_code == 0
    comment, line = result.stdout.splitlines()
    assert comment.startswith("# prm: http://127.0.0.1:")
    assert " -m vllm.entrypoints.openai.api_server --model org/prm " in line


def test_a_judge_needs_no_server_of_a_reward_model(config_file: Path) -> None:
    arguments = ["serve", str(config_file), "--print", "-o", "models.prm.kind=judge"]
    result = CliRunner().invoke(app, arguments)
    assert [line.split()[1] for line in result.stdout.splitlines()[::2]] == ["draft:", "target:"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "judge"], "--only judge: no such role; known: draft, target, prm"),
        (["-o", "models.prm.model=./none"], "servers.yaml: models.prm.model: ./none: no such dir"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    config_file: Path, arguments: list[str], told: str
) -> None:
    result = CliRunner().invoke(app, ["serve", str(config_file), *arguments])
    assert isinstance(result.exception, ConfigError)
    assert told in str(result.exception)


def test_no_ready_file_of_a_killed_launcher_is_there_while_servers_load(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    ready.touch()

    @contextmanager
    def loading(*_: object, **__: object) -> Iterator[None]:
        assert not ready.exists()
        raise LaunchError("it does not load")
        yield

    monkeypatch.setattr(serve, "running", loading)
    monkeypatch.setattr(serve.preflight, "check_vllm", lambda: None)
    result = CliRunner().invoke(app, ["serve", str(config_file), "--ready-file", str(ready)])
    assert isinstance(result.exception, LaunchError)


@pytest.mark.parametrize("option", ["--ready-file", "--log-dir"])
def test_a_place_that_cannot_be_written_is_named(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(serve.preflight, "check_vllm", lambda: None)
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "place"
    arguments = ["serve", str(config_file), "--only", "draft", option, str(place)]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, RsdError)
    assert str(place) in str(result.exception)
    assert "cannot be written" in str(result.exception)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_and_exits_130(
    config_file: Path, tmp_path: Path, number: signal.Signals
) -> None:
    ready = tmp_path / "state" / "ready"
    logs = tmp_path / "logs"
    arguments = ["serve", str(config_file), "--ready-file", str(ready), "--log-dir", str(logs)]
    with subprocess.Popen(
        [sys.executable, str(HERE / "serve_fakes.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As a shell starts a background job.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as launcher:
        wait_until(lambda: ready.exists() or launcher.poll() is not None)
        launcher.send_signal(number)
        output, _ = launcher.communicate(timeout=PATIENCE_S)
    assert launcher.returncode == 130
    assert output.splitlines()[-1] == "rsd: servers stopped"
    assert all_gone(logs)
    assert not ready.exists()
