"""The shipped configurations as they are run, and the scripts that take them as CONFIG."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from rsd.analysis import read_published
from rsd.analysis.paper.published import AVERAGED, row_of
from rsd.config import Config, load
from rsd.serving import build, build_all
from rsd.types import ROLES

ROOT = Path(__file__).parents[1]
SHIPPED = sorted(
    path
    for path in (ROOT / "configs").rglob("*.yaml")
    if not {"grid", "points"} & yaml.safe_load(path.read_text(encoding="utf-8")).keys()  # sweeps
)
PAPER = sorted((ROOT / "configs" / "paper").glob("*.yaml"))
SHELF = sorted((ROOT / "configs" / "shelf").glob("*.yaml"))
MAIN = ROOT / "configs" / "paper" / "qwen25_math_7b_1.5b_prm1.5b.yaml"

ORIGINAL_CONTEXT = 4096
"""`max_position_embeddings` of the Qwen2.5-Math and Skywork checkpoints."""
KIB = 1024
GPU_GIB, WORKING_GIB = 79, 3
"""What a GPU of 80 GB shows, and the working memory of a server (an estimate)."""


def name(path: Path) -> str:
    return path.stem


def value(argv: tuple[str, ...], flag: str) -> str | None:
    return argv[argv.index(flag) + 1] if flag in argv else None


@pytest.mark.parametrize("path", SHIPPED, ids=name)
def test_the_servers_of_a_config_fit_beside_each_other(path: Path) -> None:
    config = load(path)
    commands = build_all(config, config.roles)
    assert len({(command.host, command.port) for command in commands}) == len(config.roles)
    taken: dict[str, float] = defaultdict(float)
    for command in commands:
        for gpu in command.gpus:
            taken[gpu] += 0.9 if command.memory_share is None else command.memory_share
    assert all(share <= 1 for share in taken.values()), taken


@pytest.mark.parametrize("path", PAPER, ids=name)
def test_a_paper_config_decodes_the_six_sets_as_published(path: Path) -> None:
    config = load(path)
    decoding = config.decoding
    assert config.tasks.names == AVERAGED
    assert (decoding.profile, decoding.strategy, decoding.threshold) == ("paper", "rsd", 0.7)
    assert (decoding.temperature, decoding.top_p, decoding.samples) == (0, 1, 1)
    assert (decoding.max_tokens, decoding.max_steps) == (4096, 100)
    assert config.models.prm.model.startswith("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-")


@pytest.mark.parametrize("path", PAPER, ids=name)
def test_a_paper_config_names_a_published_row_of_its_models(path: Path) -> None:
    config = load(path)
    row = row_of(config)
    assert row is not None
    assert set(read_published()[row]) >= set(AVERAGED)
    family = {"math": "Qwen2.5-Math-", "qwen2.5": "Qwen2.5-", "llama": "Llama-3"}[row.family]
    for role, size in (("draft", row.draft), ("target", row.target), ("prm", row.prm)):
        model = config.models.role(role)
        assert f"-{size}" in model.model
        assert role == "prm" or family in model.model
        billions = (model.parameters or 0) / 1e9
        assert billions == pytest.approx(float(size.removesuffix("B")), rel=0.25)


def test_every_published_row_of_rsd_has_a_config() -> None:
    rows = {row_of(load(path)) for path in PAPER}
    assert rows == {row for row in read_published() if row.way == "rsd 0.7"}


@pytest.mark.parametrize("path", PAPER, ids=name)
def test_no_model_file_needs_editing(path: Path) -> None:
    config = load(path)
    for role in ROLES:
        argv = build(config, role).argv
        length = int(value(argv, "--max-model-len") or 0)
        assert length >= 2 * config.decoding.max_tokens
        checkpoint = config.models.role(role).model
        if "Qwen2.5-Math" in checkpoint or "Skywork" in checkpoint:
            overrides = json.loads(value(argv, "--hf-overrides") or "{}")
            context = overrides.get("max_position_embeddings", ORIGINAL_CONTEXT)
            assert context >= length
        else:
            assert "--hf-overrides" not in argv


@pytest.mark.parametrize("path", PAPER, ids=name)
def test_generators_ignore_the_sampling_defaults_of_a_checkpoint(path: Path) -> None:
    for role in ("draft", "target"):
        assert value(build(load(path), role).argv, "--generation-config") == "vllm"


KIB_A_TOKEN = {
    "Qwen/Qwen3-32B": 2 * 64 * 8 * 128 * 2 / KIB,
    "Qwen/Qwen3-1.7B": 2 * 28 * 8 * 128 * 2 / KIB,
    "Qwen/Qwen2.5-Math-PRM-7B": 2 * 28 * 4 * 128 * 2 / KIB,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": 2 * 64 * 8 * 128 * 2 / KIB,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": 2 * 28 * 2 * 128 * 2 / KIB,
}
"""KV cache: 2 x layers x KV heads x head size x 2 bytes, from the config.json of each."""


@pytest.mark.parametrize("path", SHELF, ids=name)
def test_a_shelf_config_holds_three_whole_contexts_beside_the_weights(path: Path) -> None:
    config = load(path)
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    for command in build_all(config, config.roles):
        model, gpus = config.models.role(command.role), len(command.gpus)
        assert model.parameters is not None
        weights = 2 * model.parameters / KIB**3
        free = (model.serve.memory_share or 0) * GPU_GIB * gpus - weights - WORKING_GIB * gpus
        tokens = free * KIB**2 / KIB_A_TOKEN[model.model]
        assert tokens >= 3 * (model.serve.max_model_len or 0), command.name
        assert value(command.argv, "--max-model-len") is not None


@pytest.mark.parametrize("path", SHELF, ids=name)
def test_a_shelf_config_leaves_room_for_32k_tokens(path: Path) -> None:
    config = load(path)
    assert config.decoding.max_tokens == 32768
    assert config.decoding.temperature > 0
    for role in ("draft", "target"):
        assert (config.models.role(role).serve.max_model_len or 0) > config.decoding.max_tokens


def test_one_gpu_gives_the_same_run_as_three() -> None:
    single = load(ROOT / "configs" / "paper" / "single_gpu.yaml")
    assert single.directory == load(MAIN).directory
    assert {gpu for role in ROLES for gpu in build(single, role).gpus} == {"0"}


def test_no_two_other_configs_share_a_run() -> None:
    configs: list[Config] = [load(path) for path in SHIPPED if path.stem != "single_gpu"]
    assert all(a.directory != b.directory for a, b in combinations(configs, 2))


STUB = """#!/usr/bin/env bash
echo "$@" >> "$CALLS"
case "$*" in *--status) printf 'runs/here\\t7\\n' ;; run*) echo hidden; exit "$CODE" ;; esac
"""


def evaluate(tmp_path: Path, code: int, *arguments: str) -> tuple[int, list[str], str]:
    """Run math_eval.sh with an `rsd` that only notes its arguments."""
    stub, calls = tmp_path / "bin" / "rsd", tmp_path / "calls"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    environment = {**os.environ, "RSD_VENV": str(tmp_path), "CALLS": str(calls), "CODE": str(code)}
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "math_eval.sh"), *arguments],
        env=environment | {"CONFIG": "configs/demo.yaml"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, calls.read_text().splitlines(), done.stdout


@pytest.mark.parametrize("code", [0, 1])
def test_math_eval_runs_the_six_sets_and_reports(tmp_path: Path, code: int) -> None:
    returned, calls, out = evaluate(tmp_path, code, "-o", "run.limit=5")
    run = f"run configs/demo.yaml -o tasks.names=[{','.join(AVERAGED)}] -o run.limit=5"
    assert calls == [
        f"{run} --status",
        run,
        "report runs/here --paper --html runs/here/report.html",
    ]
    assert returned == code
    assert "hidden" not in out


def test_math_eval_reports_nothing_when_the_run_did_not_start(tmp_path: Path) -> None:
    returned, calls, _ = evaluate(tmp_path, 2)
    assert returned == 2
    assert len(calls) == 2


QUICK_STUB = """#!/usr/bin/env bash
echo "$@" >> "$CALLS"
case "$*" in
  *--status) printf 'runs/here\\t7\\n' ;;
  serve*) touch "$4"; exec sleep 60 ;;
esac
"""


def test_the_quickstart_waits_for_no_server_that_nobody_starts_again(tmp_path: Path) -> None:
    made_of = ("requirements-cpu.txt", "pyproject.toml", "scripts/environment.sh")
    digest = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in made_of)).hexdigest()
    (tmp_path / ".rsd-environment").write_text(f"{ROOT} {digest}  -\n")
    calls = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    for name in ("python", "rsd"):
        stub = tmp_path / "bin" / name
        stub.write_text(QUICK_STUB)
        stub.chmod(0o755)
    subprocess.run(
        ["bash", str(ROOT / "scripts" / "quickstart.sh"), "-o", "run.limit=5"],
        env={**os.environ, "RSD_VENV": str(tmp_path), "CALLS": str(calls)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    runs = [
        line
        for line in calls.read_text().splitlines()
        if line.startswith("run ") and "--status" not in line
    ]
    assert len(runs) == 3
    assert all("-o run.on_server_loss=fail -o run.limit=5" in line for line in runs)
