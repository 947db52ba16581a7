from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import pytest
from serving.helpers import config

from rsd.config import Config, RewardModelConfig
from rsd.errors import ConfigError
from rsd.serving import build

CPU = {"device": "cpu", "max_model_len": 1024, "dtype": "bfloat16", "enforce_eager": True}


def test_a_cpu_server_is_described_whole() -> None:
    command = build(config(model="./checkpoint", serve=CPU | {"threads": 2}), "draft")
    assert shlex.join(command.argv[3:]) == (
        "--model ./checkpoint --served-model-name draft --host 127.0.0.1 --port 8101 "
        "--dtype bfloat16 --max-model-len 1024 --enforce-eager --enable-prefix-caching "
        "--disable-uvicorn-access-log --enable-prompt-tokens-details "
        "--generation-config vllm --no-enable-chunked-prefill"
    )
    assert command.argv[:3] == (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
    assert command.env == {
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "2",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    }


def test_a_gpu_server_gets_its_devices_and_its_share() -> None:
    serve = {
        "devices": "2,3",
        "tensor_parallel": 2,
        "memory_share": 0.45,
        "hf_overrides": {"max_position_embeddings": 16384},
        "flags": ["--max-num-seqs", "64"],
    }
    command = build(config(serve=serve), "draft")
    assert shlex.join(command.argv[3:]) == (
        "--model org/draft --served-model-name draft --host 127.0.0.1 --port 8101 --dtype auto "
        "--tensor-parallel-size 2 --gpu-memory-utilization 0.45 "
        """--hf-overrides '{"max_position_embeddings":16384}' """
        "--enable-prefix-caching --disable-uvicorn-access-log --enable-prompt-tokens-details "
        "--generation-config vllm --max-num-seqs 64"
    )
    assert command.env == {"VLLM_NO_USAGE_STATS": "1", "CUDA_VISIBLE_DEVICES": "2,3"}
    assert command.gpus == {"2", "3"}


@pytest.mark.parametrize(
    ("devices", "count"), [("0,1", 2), ("0,1,2", 3), ("0, 1, 2, ", 3), ("0,0,1,1", 2), ("", 0)]
)
def test_more_gpus_than_devices_are_refused_in_one_line(devices: str, count: int) -> None:
    serve = {"devices": devices, "tensor_parallel": 4}
    with pytest.raises(ConfigError) as refused:
        build(config(serve=serve), "draft")
    assert str(refused.value) == (
        f"models.draft.serve.tensor_parallel: 4 GPUs are wanted and devices names {count} for "
        f"draft ({devices!r}); name more, or lower tensor_parallel"
    )


def test_unnamed_devices_are_as_many_as_are_wanted() -> None:
    assert build(config(serve={"tensor_parallel": 4}), "draft").gpus == {"0", "1", "2", "3"}
    assert not build(config(serve=CPU | {"devices": "0", "tensor_parallel": 2}), "draft").gpus


def test_the_reward_model_is_served_for_pooling() -> None:
    argv = build(config(), "prm").argv
    assert argv[argv.index("--runner") + 1] == "pooling"
    assert "--runner" not in build(config(), "target").argv


@pytest.mark.parametrize("kind", ["math-shepherd", "rlhflow"])
def test_a_reward_model_that_writes_its_verdict_is_served_as_a_language_model(kind: str) -> None:
    argv = build(reward_model(kind=kind, serve=CPU), "prm").argv
    assert "--runner" not in argv
    assert "--hf-overrides" not in argv
    assert {"--enable-prefix-caching", "--enable-prompt-tokens-details"} <= set(argv)


def test_qwen25_math_is_served_by_the_plugin_under_another_architecture() -> None:
    serve = {"hf_overrides": {"max_position_embeddings": 8192}}
    argv = build(reward_model(kind="qwen25-math", serve=serve), "prm").argv
    assert argv[argv.index("--runner") + 1] == "pooling"
    assert json.loads(argv[argv.index("--hf-overrides") + 1]) == {
        "architectures": ["Qwen2ForLastStepRewardModel"],
        "max_position_embeddings": 8192,
    }


def test_a_judge_has_no_server_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"models\.prm\.kind: judge has no server"):
        build(reward_model(kind="judge"), "prm")


def reward_model(**fields: Any) -> Config:
    """`config()` with keys of its reward model replaced."""
    resolved = config()
    prm = RewardModelConfig.model_validate(resolved.models.prm.model_dump() | fields)
    return resolved.model_copy(update={"models": resolved.models.model_copy(update={"prm": prm})})


@pytest.mark.parametrize("asked", [True, False])
def test_remote_code_is_trusted_only_where_asked(asked: bool) -> None:
    command = build(config(serve={"trust_remote_code": asked}), "draft")
    assert ("--trust-remote-code" in command.argv) is asked


def test_the_api_key_is_nowhere_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_VLLM_PASS", "sesame-17")
    command = build(config(api_key="${MY_VLLM_PASS}"), "draft")
    assert command.env["VLLM_API_KEY"] == "sesame-17"
    assert 'VLLM_API_KEY="${MY_VLLM_PASS}"' in command.shell()
    for shown in (*command.argv, command.shell(), repr(command)):
        assert "sesame" not in shown


def test_the_shell_line_reads_back_as_the_command() -> None:
    command = build(config(model="./my checkpoint", serve=CPU | {"env": {"NOTE": "a b"}}), "draft")
    words = shlex.split(command.shell())
    assert "NOTE=a b" in words
    assert tuple(words[len(command.env) :]) == command.argv


def test_own_environment_wins() -> None:
    serve = CPU | {"env": {"OMP_NUM_THREADS": "7"}}
    assert build(config(serve=serve), "draft").env["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize(
    ("draft", "told"),
    [
        ({"serve": {"flags": ["--api-key=abc"]}}, "models.draft.serve.flags: --api-key"),
        ({"endpoint": "https://gpu:1/v1"}, "models.draft.endpoint: https://gpu:1/v1"),
        ({"endpoint": "http://127.0.0.1/v1"}, "names no port"),
        ({"endpoint": "http://127.0.0.1:8001/a/v1"}, "http://HOST:PORT/v1"),
    ],
)
def test_what_cannot_be_served_is_refused(draft: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build(config(**draft), "draft")


def test_own_environment_may_refer_to_the_launchers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_TOKEN", raising=False)
    served = config(serve={"env": {"HF_TOKEN": "${HUB_TOKEN}"}})
    with pytest.raises(ConfigError, match=r"draft\.serve\.env\.HF_TOKEN: set HUB_TOKEN in the"):
        build(served, "draft")
    monkeypatch.setenv("HUB_TOKEN", "sesame-17")
    command = build(served, "draft")
    assert command.env["HF_TOKEN"] == "sesame-17"
    assert 'HF_TOKEN="${HUB_TOKEN}"' in command.shell()
    assert "sesame" not in served.dump() + command.shell()
