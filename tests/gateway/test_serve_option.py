"""`rsd gateway --serve`: the servers of its models are started, and stopped when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from cluster import Cluster
from harness.common import free_ports
from serving.helpers import all_gone

from rsd.cli import main as cli
from rsd.config import Config
from rsd.serving import ServerCommand, build
from rsd.types import ROLES, Role

SERVER = Path(__file__).parents[1] / "sweep" / "fake_vllm_server.py"


def build_fakes(config: Config, roles: Sequence[Role]) -> list[ServerCommand]:
    commands = []
    for role in roles:
        it, model = build(config, role), config.models.role(role).model
        argv = (sys.executable, str(SERVER), role, str(it.port), str(config.tasks.data_dir), model)
        commands.append(ServerCommand(role, argv, {}, it.host, it.port))
    return commands


def client(port: int, got: list[Any], over: threading.Event) -> None:
    """AnswerRequest when the gateway answers, and then end it, unless it is `over`."""
    url = f"http://127.0.0.1:{port}/v1"
    body = {"model": "target", "prompt": "Ann has 10 pens, gets 20 and loses 5."}
    while not over.is_set():
        try:
            got.append(httpx.get(f"{url}/models").json())
            got.append(httpx.post(f"{url}/completions", json=body, timeout=60).json())
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            os.kill(os.getpid(), signal.SIGTERM)
            return


@pytest.mark.parametrize(
    ("models", "needed"),
    [("{rsd: {strategy: rsd}, target: {strategy: target}}", set(ROLES)),
     ("{target: {strategy: target}}", {"target"})],
)  # fmt: skip
def test_it_starts_the_servers_of_its_models_and_stops_them(
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    models: str,
    needed: set[str],
) -> None:
    (tmp_path / "tokenizer" / "config.json").write_text(json.dumps({}))
    *ports, port = free_ports(len(ROLES) + 1)
    overrides = [f"gateway.models={models}"]
    for role, each in zip(ROLES, ports, strict=True):
        overrides.append(f"models.{role}.endpoint=http://127.0.0.1:{each}/v1")
        overrides.append(f"models.{role}.serve={{device: cpu}}")
    options = [part for override in overrides for part in ("-o", override)]
    logs = tmp_path / "logs"
    command = ["rsd", "gateway", str(cluster.path), "--port", str(port), "--serve"]
    monkeypatch.setattr("sys.argv", [*command, "--log-dir", str(logs), *options])
    monkeypatch.setattr("rsd.cli.options.build_all", build_fakes)
    monkeypatch.setattr("rsd.serving.preflight.check_vllm", lambda: None)
    monkeypatch.delenv("RSD_GATEWAY_KEYS", raising=False)

    got: list[Any] = []
    over = threading.Event()
    asking = threading.Thread(target=client, args=(port, got, over))
    asking.start()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    over.set()
    asking.join()
    assert ended.value.code == 0
    started = re.findall(r"^(\w+): starting on", capfd.readouterr().err, re.MULTILINE)
    assert set(started) == needed
    models_listed, answer = got
    assert "target" in [model["id"] for model in models_listed["data"]]
    assert answer["choices"][0]["text"]
    assert all_gone(logs)
