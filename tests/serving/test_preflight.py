from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from serving.helpers import config, fake

from rsd.errors import ConfigError, LaunchError
from rsd.serving import preflight


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=rf"models.draft.model: {missing}: no such directory"):
        preflight.check_models(config(model=missing), ["draft"])


def test_a_directory_without_a_config_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        preflight.check_models(config(model=str(tmp_path)), ["draft"])
    (tmp_path / "config.json").touch()
    preflight.check_models(config(model=str(tmp_path)), ["draft"])


def test_a_name_on_the_hub_is_left_to_vllm() -> None:
    preflight.check_models(config(model="organisation/name"), ["draft"])


def test_servers_that_share_a_gpu_must_share_its_memory() -> None:
    draft, target = (fake(role, n, gpus=frozenset("0")) for n, role in ((1, "draft"), (2, "prm")))
    preflight.check_gpus([draft, target])
    with pytest.raises(ConfigError, match=r"share GPU 0 but take 0.3 and 0.9"):
        preflight.check_gpus([draft, replace(target, memory_share=None)])


def test_two_servers_on_one_port_are_refused() -> None:
    with pytest.raises(ConfigError, match="models.draft.endpoint and models.target.endpoint"):
        preflight.check_ports([fake("draft", 8101), fake("target", 8101)])


def test_a_taken_port_is_named_with_its_key() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"port {port} of .* models\.draft\.endpoint"):
            preflight.check_ports([fake("draft", port)])


def test_another_machines_address_is_refused() -> None:
    elsewhere = replace(fake("draft", 8101), host="192.0.2.7")
    with pytest.raises(LaunchError, match=r"192\.0\.2\.7 is another machine; start it there"):
        preflight.check_ports([fake("target", 8101), elsewhere])  # on one port, and no conflict
