"""Several servers of a role behind a router: commands, GPUs, names, and deaths."""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from serving.helpers import all_gone, config, fake, wait_until
from serving.test_supervisor import die
from typer.testing import CliRunner

from rsd.cli.main import app
from rsd.errors import ConfigError, LaunchError
from rsd.serving import ServerCommand, build, build_all, preflight, running

TWO = {"replicas": 2}


def second(command: ServerCommand) -> ServerCommand:
    return replace(command, number=2)


def test_each_replica_has_a_command_and_a_router_stands_before_them() -> None:
    commands = build_all(config(**TWO), ["draft", "prm"])
    assert [(command.name, command.port, command.is_router) for command in commands] == [
        ("draft", 8101, True),
        ("draft-1", 8201, False),
        ("draft-2", 8301, False),
        ("prm", 8103, False),
    ]
    router, *workers, _ = commands
    assert all(str(command.port) in command.argv for command in commands)
    urls = router.argv[router.argv.index("--worker-urls") + 1 :][:2]
    assert [f"{url}/v1" for url in urls] == [worker.address for worker in workers]
    assert "consistent_hash" in router.argv
    assert not router.gpus


def test_replicas_need_ports_above_the_endpoint() -> None:
    with pytest.raises(ConfigError, match=r"models.draft.endpoint: .*65500/v1: no port is left"):
        build_all(config(endpoint="http://127.0.0.1:65500/v1", **TWO), ["draft"])


def test_the_old_list_of_endpoints_is_told_what_replaced_it() -> None:
    with pytest.raises(ConfigError, match="endpoints is no longer a key: write endpoint: URL, and"):
        config(endpoints=["http://127.0.0.1:8101/v1"])


def test_without_the_router_nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "vllm_router" else found(name)
    )
    commands = build_all(config(**TWO), ["draft"])
    with (
        pytest.raises(LaunchError, match="models.draft.replicas: .*pip install vllm-router"),
        running(commands, log_dir=tmp_path),
    ):
        pass
    assert not any(tmp_path.iterdir())


def test_devices_are_for_all_replicas_or_one_for_each() -> None:
    each = config(serve={"devices": [0, "2,3"]}, **TWO)
    assert [build(each, "draft", n).env["CUDA_VISIBLE_DEVICES"] for n in (1, 2)] == ["0", "2,3"]
    spread = config(serve={"devices": ["0,1", "2,3"], "tensor_parallel": 2}, **TWO)
    assert build(spread, "draft", 2).gpus == {"2", "3"}
    both = config(serve={"devices": "1"}, **TWO)
    assert [build(both, "draft", n).gpus for n in (1, 2)] == [{"1"}, {"1"}]


def test_devices_that_do_not_fit_the_replicas_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 for 2 replicas"):
        config(serve={"devices": ["0", "1", "2"]}, **TWO)


def test_a_replica_with_too_few_devices_is_named() -> None:
    each = config(serve={"devices": ["0,1", "2"], "tensor_parallel": 2}, **TWO)
    assert build(each, "draft", 1).gpus == {"0", "1"}
    with pytest.raises(ConfigError, match=r"tensor_parallel: 2 .* names 1 for draft-2 \('2'\)"):
        build(each, "draft", 2)


def test_all_that_share_a_gpu_share_its_memory() -> None:
    gpu = frozenset("0")
    three = [replace(fake("draft", n, gpus=gpu), number=n, memory_share=0.4) for n in (1, 2, 3)]
    preflight.check_gpus(three[:2])
    with pytest.raises(ConfigError, match=r"draft-1 and draft-2 and draft-3 share GPU 0 .*a list"):
        preflight.check_gpus(three)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "servers.yaml"
    values = yaml.safe_load(config().dump())
    values["models"]["draft"] |= TWO
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ([], ["draft", "draft-1", "draft-2", "target", "prm"]),
        (["draft"], ["draft", "draft-1", "draft-2"]),
        (["draft-2"], ["draft-2"]),
        (["draft-1", "prm"], ["draft-1", "prm"]),
    ],
)
def test_one_server_can_be_named(config_file: Path, only: list[str], names: list[str]) -> None:
    named = [word for name in only for word in ("--only", name)]
    result = CliRunner().invoke(app, ["serve", str(config_file), "--print", *named])
    comments = [line for line in result.stdout.splitlines() if line.startswith("#")]
    assert [comment.split()[1] for comment in comments] == [f"{name}:" for name in names]


def test_a_server_that_there_is_not_cannot_be_named(config_file: Path) -> None:
    result = CliRunner().invoke(app, ["serve", str(config_file), "--only", "draft-3"])
    assert isinstance(result.exception, ConfigError)
    assert "known: draft, draft-1, draft-2, target, prm" in str(result.exception)


def test_a_replica_that_dies_is_told_and_the_last_one_ends_it_all(
    tmp_path: Path, ports: list[int]
) -> None:
    told: list[str] = []
    draft, other, target = (
        fake(role, port) for role, port in zip(("draft", "draft", "target"), ports, strict=True)
    )
    with running([draft, second(other), target], log_dir=tmp_path, announce=told.append) as them:
        assert {path.name for path in tmp_path.glob("*.log")} == {
            "draft.log",
            "draft-2.log",
            "target.log",
        }

        def kill_both() -> None:
            die(ports[1])
            wait_until(lambda: "draft goes on without it" in told[-1])
            die(ports[0])

        killing = threading.Thread(target=kill_both)
        killing.start()
        with pytest.raises(LaunchError, match=r"^draft: .*while it served"):
            them.watch()
        killing.join()
    assert told[-1].startswith("draft-2: its vLLM server ended while it served")
    assert "--only draft-2 starts it again" in told[-1]
    assert all_gone(tmp_path)


def test_a_replica_that_is_needed_no_more_is_stopped(tmp_path: Path, ports: list[int]) -> None:
    draft, other = fake("draft", ports[0]), second(fake("draft", ports[1]))
    with running([draft, other], log_dir=tmp_path) as supervisor:
        supervisor.have([draft], 60)
        assert [server.command for server in supervisor.servers] == [draft]
        supervisor.have([draft, other], 60)
        assert [server.command.name for server in supervisor.servers] == ["draft", "draft-2"]
    assert all_gone(tmp_path)
