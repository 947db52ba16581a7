"""Keys are used, and neither stored nor shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cluster import Cluster

from rsd.config import load
from rsd.errors import ConfigError
from rsd.runs import execute
from rsd.serving import build

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"
SECRET = "sesame-4711"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", SECRET)


def test_nothing_that_a_run_leaves_holds_the_key(cluster: Cluster, tmp_path: Path) -> None:
    keys = [f"models.{role}.api_key=${{SOME_KEY}}" for role in ("draft", "target", "prm")]
    config = cluster.config(
        *keys, "tasks.limit=3", f"run.cache={tmp_path}/steps.sqlite", f"run.output_dir={tmp_path}"
    )
    faults = cluster.faults("draft")
    faults.status, faults.matching = 401, "Ann has 11"  # a refusal of the key is told, too
    asyncio.run(execute(config, tmp_path / "run"))
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "run" / "trajectories.jsonl" in left
    for path in left:
        assert SECRET.encode() not in path.read_bytes(), path


def test_an_endpoint_with_a_password_is_refused_without_repeating_it() -> None:
    for url in (f"http://me:{SECRET}@h:1/v1", f"http://h:1/v1?key={SECRET}", f"//{SECRET}@h"):
        with pytest.raises(ConfigError, match="api_key") as refused:
            load(DEMO, [f"models.draft.endpoint='{url}'"])
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize("flag", ["--api-key", "--api_key", "--hf-token"])
def test_a_flag_with_a_key_is_refused_without_repeating_it(flag: str) -> None:
    for flags in (f"[{flag}={SECRET}]", f"[{flag}, {SECRET}]"):
        with pytest.raises(ConfigError, match="process list") as refused:
            load(DEMO, [f"models.draft.serve.flags={flags}"])
        assert SECRET not in str(refused.value)


def test_a_secret_of_a_servers_environment_is_passed_on_and_not_stored() -> None:
    config = load(DEMO, [f"models.draft.serve.env={{HF_TOKEN: {SECRET}, NOTE: seen}}"])
    command = build(config, "draft")
    assert command.env["HF_TOKEN"] == SECRET
    assert SECRET not in command.shell() + repr(command) + config.dump()
    assert "NOTE: seen" in config.dump()


def test_a_key_that_is_written_out_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigError, match="in the environment") as refused:
        load(DEMO, [f"models.draft.api_key={SECRET}"])
    assert SECRET not in str(refused.value)
