"""`--serve`: servers are started for the points that need them, and replaced where they differ."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from cluster import Cluster
from serving.helpers import PATIENCE_S, all_gone, fake, wait_until
from sweep.conftest import Rsd

from rsd.config import Config
from rsd.serving import ServerCommand, build, running
from rsd.types import ROLES, Role

SERVER = Path(__file__).with_name("fake_vllm_server.py")
Sweep = Callable[..., Path]


@pytest.fixture
def sweep_file(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Write a sweep whose servers nobody has started, but `--serve` starts fakes."""
    values = yaml.safe_load(cluster.path.read_text())
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in ROLES]
        for each, model in zip(sockets, values["models"].values(), strict=True):
            each.bind(("127.0.0.1", 0))
            model["endpoint"] = f"http://127.0.0.1:{each.getsockname()[1]}/v1"
            model["serve"] = {"device": "cpu"}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "tokenizer" / "config.json").write_text("{}")

    def build_fake(config: Config, role: Role) -> ServerCommand:
        it = build(config, role)
        model = config.models.role(role)
        arguments = [role, str(it.port), str(config.tasks.data_dir), model.model]
        arguments += ["--speculative"] if model.serve.speculative else []
        arguments += model.serve.flags
        argv = (sys.executable, str(SERVER), *arguments)
        return ServerCommand(role, argv, {}, it.host, it.port)

    def build_fakes(config: Config, roles: Sequence[Role]) -> list[ServerCommand]:
        return [build_fake(config, role) for role in roles]

    monkeypatch.setattr("rsd.cli.options.build_all", build_fakes)
    monkeypatch.setattr("rsd.serving.preflight.check_vllm", lambda: None)

    def write(*points: dict[str, Any]) -> Path:
        path = tmp_path / "sweep.yaml"
        values = {"name": "served", "base": "base.yaml", "points": list(points)}
        path.write_text(yaml.safe_dump(values))
        return path

    return write


def started(err: str) -> list[str]:
    return re.findall(r"^(\w+): starting on", err, re.MULTILINE)


def test_a_server_is_replaced_only_where_a_point_needs_another(
    rsd: Rsd, sweep_file: Sweep, tmp_path: Path
) -> None:
    tokenizer = str(tmp_path / "tokenizer")
    path = sweep_file(
        {"label": "alone", "decoding.strategy": "target"},
        {"label": "rsd"},
        {"label": "low", "decoding.threshold": 0.2},
        {"label": "sd", "models.target.serve.speculative": {"model": tokenizer, "parameters": 500}},
    )
    logs = tmp_path / "logs"
    code, out, err = rsd("sweep", path, "--serve", "--log-dir", logs)
    assert code == 0, err
    assert started(err) == ["target", "draft", "prm", "target"]
    assert err.count("target: stopping, another is needed now") == 1
    assert "RSD δ=0.7 + SD" in out
    assert all_gone(logs)
    (manifest,) = tmp_path.glob("runs/served/sd-*/manifest.json")
    (session,) = json.loads(manifest.read_text())["sessions"]
    assert session["speculation"]["drafted"] > session["speculation"]["accepted"] > 0

    code, again, err = rsd("sweep", path, "--serve", "--log-dir", logs)
    assert (code, again) == (0, out)
    assert started(err) == []


def test_a_server_that_does_not_start_fails_its_points_only(
    rsd: Rsd, sweep_file: Sweep, tmp_path: Path
) -> None:
    path = sweep_file(
        {"label": "broken", "models.draft.serve.flags": ["x"], "models.draft.model": "./nowhere"},
        {"label": "alone", "decoding.strategy": "target"},
    )
    logs = tmp_path / "logs"
    code, out, err = rsd("sweep", path, "--serve", "--log-dir", logs)
    assert code == 1
    assert "rsd: broken: models.draft.model: ./nowhere: no such directory" in err
    assert started(err) == ["target"]
    assert "target alone" in out
    assert all_gone(logs)


def test_a_server_that_died_is_started_again_and_the_others_stay(tmp_path: Path) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        draft, target = (each.getsockname()[1] for each in sockets)
    told: list[str] = []
    with running((), log_dir=tmp_path, announce=told.append) as supervisor:
        supervisor.have([fake("draft", draft), fake("target", target)], PATIENCE_S)
        staying = supervisor.servers[1]
        with pytest.raises((URLError, ConnectionError)):
            urlopen(f"http://127.0.0.1:{draft}/die")
        wait_until(lambda: supervisor.servers[0].guard.poll() is not None)
        supervisor.have([fake("draft", draft)], PATIENCE_S)
        assert [server.command.role for server in supervisor.servers] == ["target", "draft"]
        assert supervisor.servers[0] is staying
        assert all(server.answers() for server in supervisor.servers)
    assert [line.split(": ")[0] for line in told if ": died" in line] == ["draft"]
    assert all_gone(tmp_path)


def test_run_serves_too(rsd: Rsd, sweep_file: Sweep, tmp_path: Path) -> None:
    sweep_file({"label": "unused"})
    logs = tmp_path / "logs"
    arguments = [tmp_path / "base.yaml", "-o", "decoding.strategy=draft", "--serve"]
    code, out, err = rsd("run", *arguments, "--log-dir", logs)
    assert (code, started(err)) == (0, ["draft"])
    assert "draft alone" in out
    assert all_gone(logs)
    code, _, err = rsd("run", *arguments, "--log-dir", logs)
    assert (code, err) == (0, "")
