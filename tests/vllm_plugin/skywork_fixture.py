"""A test-made checkpoint in Skywork's format, its reference scores, and a server for it."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("vllm") is None:
    pytest.skip("vLLM is not installed here", allow_module_level=True)

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

VOCABULARY = 256
START_SECONDS = 420.0
PR_SET_PDEATHSIG = 1
SERVER_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}
Tensors = dict[str, torch.Tensor]


def config() -> Qwen2Config:
    return Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        use_sliding_window=False,
        architectures=["Qwen2ForPrmModel"],
        dtype="bfloat16",
    )


def skywork_tensors(seed: int) -> Tensors:
    """Random bf16 tensors under the names of a Skywork checkpoint, wide enough to vary scores."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, tensor in Qwen2Model(config()).state_dict().items():
        if not name.endswith("norm.weight"):
            tensor = torch.randn(tensor.shape, generator=generator) * 0.15
        tensors[f"model.{name}"] = tensor.to(torch.bfloat16)
    tensors["lm_head.weight"] = torch.zeros(VOCABULARY, 64, dtype=torch.bfloat16)
    tensors["v_head.summary.weight"] = (torch.randn(1, 64, generator=generator) * 0.3).bfloat16()
    tensors["v_head.summary.bias"] = torch.randn(1, generator=generator).bfloat16()
    return tensors


def write_checkpoint(directory: Path, tensors: Tensors) -> Path:
    directory.mkdir(parents=True)
    config().save_pretrained(directory)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(directory)
    return directory


def reference_scores(tensors: Tensors, ids: list[int]) -> list[float]:
    """Score of every token by plain transformers, in float32."""
    model = Qwen2Model(config()).eval()
    body = {
        name.removeprefix("model."): t.float() for name, t in tensors.items() if "model." in name
    }
    model.load_state_dict(body)
    with torch.no_grad():
        hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    weight, bias = (tensors[f"v_head.summary.{part}"].float() for part in ("weight", "bias"))
    return torch.sigmoid(hidden @ weight[0] + bias).tolist()


@dataclass(frozen=True)
class Server:
    url: str
    log: Path

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def classify(self, inputs: list[list[int]], **fields: Any) -> list[float]:
        status, answer = self.post("/classify", {"input": inputs, **fields})
        assert status == 200, answer
        return [item["probs"][0] for item in answer["data"]]

    def counter(self, name: str) -> int:
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as response:
            lines = response.read().decode().splitlines()
        return round(sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{")))


def _wait_until_ready(process: subprocess.Popen[bytes], server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(server.url + "/health", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"vLLM did not become ready:\n{server.log.read_text()[-4000:]}")


def _end_with_parent() -> None:
    """Have Linux send SIGTERM to this process when the test run is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    # vLLM's engine and worker outlive an API process that dies hard; they share its group.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


@contextmanager
def serve(checkpoint: Path, *arguments: str) -> Iterator[Server]:
    """A vLLM pooling server on a free loopback port, in a process group of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", checkpoint / "server.log")
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(checkpoint), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--runner", "pooling", "--enforce-eager", "--enable-prefix-caching"]
    command += ["--block-size", "32", "--kv-cache-memory-bytes", str(256 << 20), *arguments]
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | SERVER_ENVIRONMENT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        _wait_until_ready(process, server)
        yield server
    finally:
        _stop(process)
