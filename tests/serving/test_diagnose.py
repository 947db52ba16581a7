from __future__ import annotations

from pathlib import Path

import pytest
from serving.helpers import fake

from rsd.serving import diagnose

ENGINE = "(EngineCore pid=31) ERROR 11-23 12:48:42 [core.py:1510] "
API = "(APIServer pid=30) "
WRAPPED = (
    API + "RuntimeError: Engine core initialization failed. See root cause above. "
    "Failed core proc(s): {}"
)
ENDING = "nanobind: leaked 4 instances!\n - leaked type MatMul\n"

CASES = {
    "port": (
        "INFO: starting\nOSError: [Errno 98] Address already in use\n" + ENDING,
        "[Errno 98]",
        "port 8101 is taken",
    ),
    "hub": (
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached "
        "snapshot folder for the specified revision",
        "Cannot find an appropriate cached",
        "models.draft.model is neither",
    ),
    "cpu memory": (
        f"{ENGINE}RuntimeError: Worker failed with error 'Available memory on node 0 (7/10 GiB) "
        f"on kv cache allocation is less than requested memory for kv (64.0 GiB).'\n{WRAPPED}",
        "Available memory on node 0",
        "models.draft.serve.kv_cache_gib",
    ),
    "gpu memory": (
        f"{ENGINE}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
        f"{ENGINE}\n{WRAPPED}\n{ENDING}",
        "CUDA out of memory",
        "models.draft.serve.memory_share",
    ),
    "gpu taken": (
        f"{ENGINE}ValueError: Free memory on device cuda:0 (3.1/79.1 GiB) on startup is less than "
        f"desired GPU memory utilization (0.9, 71.2 GiB).\n{WRAPPED}",
        "Free memory on device",
        "memory_share",
    ),
    "context": (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, User-specified max_model_len (4096) is greater than the derived "
        "max_model_len (max_position_embeddings=2048.0). [type=value_error]\n"
        "    For further information visit https://errors.example/v/value_error",
        "User-specified max_model_len (4096)",
        "hf_overrides: {max_position_embeddings: N}",
    ),
    "architecture": (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, Model architectures ['Qwen2ForPrmModel'] are not supported for now.",
        "Qwen2ForPrmModel",
        "pip install -e .",
    ),
    "block size": (
        f"{ENGINE}ValueError: No common block size for 16 (CPU_ATTN: [MultipleOf(32)]).\n{WRAPPED}",
        "No common block size",
        "multiple of 32",
    ),
    "flag": (
        "usage: api_server.py [options]\n"
        "api_server.py: error: unrecognized arguments: --swap-space 4",
        "--swap-space",
        "correct models.draft.serve",
    ),
    "no vllm": (
        "/usr/bin/python: Error while finding module specification for 'vllm.x' "
        "(ModuleNotFoundError: No module named 'vllm')",
        "No module named 'vllm'",
        "pip install -r requirements.txt",
    ),
    "no gpu": ("RuntimeError: Failed to infer device type", "infer device", "device: cpu"),
    "unknown": (
        f"{ENGINE}KeyError: 'layers.0.novel'\n{WRAPPED}\n{ENDING}",
        "KeyError: 'layers.0.novel'",
        "see its log",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cause_and_the_mend_are_told_in_one_line(case: str, tmp_path: Path) -> None:
    text, cause, mend = CASES[case]
    log = tmp_path / "draft.log"
    log.write_text(text)
    message = str(diagnose.death(fake("draft", 8101), 1, log, "before it answered"))
    assert message.startswith("draft: its vLLM server ended before it answered (exit code 1): ")
    assert cause in message
    assert mend in message
    assert "{" not in message.replace("{max_position_embeddings: N}", "")
    assert "\n" not in message


def test_the_note_holds_the_last_lines_without_noise(tmp_path: Path) -> None:
    log = tmp_path / "draft.log"
    log.write_text(CASES["unknown"][0])
    (note,) = diagnose.death(fake("draft", 8101), 1, log, "while it served").__notes__
    assert "KeyError: 'layers.0.novel'" in note
    assert "EngineCore pid" not in note
    assert "nanobind" not in note


def test_a_silent_kill_is_taken_for_want_of_memory(tmp_path: Path) -> None:
    log = tmp_path / "prm.log"
    log.write_text("(Worker pid=3) INFO 11-23 12:37:38 [loader.py:1] Loading\n")
    assert "kv_cache_gib" in str(diagnose.death(fake("prm", 1), 137, log, "while it served"))


@pytest.mark.parametrize(
    ("text", "code"), [("INFO 11-23 12:37:38 [loader.py:1] Loading", 137), ("MemoryError", 1)]
)
def test_a_gpu_server_that_wants_memory_is_not_told_of_cpu_keys(
    text: str, code: int, tmp_path: Path
) -> None:
    log = tmp_path / "prm.log"
    log.write_text(f"{text}\n")
    on_gpu = fake("prm", 1, gpus=frozenset("0"))
    message = str(diagnose.death(on_gpu, code, log, "while it served"))
    assert "kv_cache_gib" not in message
    assert "free memory of the machine, not of the GPU" in message


def test_a_log_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    error = diagnose.death(fake("prm", 1), 2, tmp_path / "none", "before it answered")
    assert "nothing in its log" in str(error)
