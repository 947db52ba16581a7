"""From the log of a vLLM server that died: what went wrong, and the mend.

The cause is rarely the last line: vLLM wraps an engine's error in others and prints warnings
while it ends. The known texts are those of vLLM 0.32 and of PyTorch.
"""

from __future__ import annotations

import re
from pathlib import Path

from rsd.errors import LaunchError
from rsd.serving.command import ServerCommand

TAIL_LINES = 12
_TAIL_BYTES = 256 * 1024

# "(EngineCore pid=7) ERROR 11-23 12:00:00 [core.py:10] text", each part optional.
_PREFIX = re.compile(
    r"^(?:\(\w+[^)]*pid=\d+\)\s?)?(?:(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+"
    r"\d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\]\s?)?"
)
_EXCEPTION = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Interrupt)(?::\s.+)?$"
    r"|^Value error, .+|^\S*api_server\.py: error: .+|.*\(ModuleNotFoundError: .+"
)
_WRAPPER = re.compile(
    r"Engine core initialization failed|EngineCore encountered an issue"
    r"|^\S*ValidationError: \d+ validation error|KeyboardInterrupt"
)
_NOISE = re.compile(
    r"nanobind|leaked |skipped remainder|resource_tracker|warnings\.warn|Route: |throughput:"
    r"|further information visit|^\s*(?:\^|~)+\s*$|DeprecationWarning|FutureWarning"
    r"|Loading safetensors|Dumping (?:input|scheduler)"
)

_MEMORY_CUDA = (
    "lower models.{role}.serve.memory_share or max_model_len, give it a free GPU (devices), or "
    "spread it over more of them (tensor_parallel)"
)
_MEMORY_CPU = (
    "free memory, or lower models.{role}.serve.kv_cache_gib; about 2.5 GiB a server are needed "
    "beside it and the weights"
)
_MEMORY_HOST = (
    "free memory of the machine, not of the GPU: loading takes about as much as the weights"
)
_NOT_FOUND = (
    "models.{role}.model is neither a local checkpoint nor a reachable name on the hub: correct "
    "it, or download it where there is a network"
)
MENDS: tuple[tuple[str, str], ...] = (
    (
        r"address already in use",
        "port {port} is taken: stop what uses it, or change models.{role}.endpoint",
    ),
    (
        r"gated repo|401 client error|403 client error",
        "accept the model's terms on the hub and set HF_TOKEN in the environment",
    ),
    (
        r"repositorynotfound|localentrynotfound|hfvalidationerror|offlinemodeisenabled"
        r"|is not a valid model identifier|can't load the configuration"
        r"|couldn't connect to|invalid repository id",
        _NOT_FOUND,
    ),
    (
        r"cuda out of memory|outofmemoryerror|cuda error: out of memory"
        r"|no available memory for the cache blocks|less than desired gpu memory utilization"
        r"|error in memory profiling",
        _MEMORY_CUDA,
    ),
    (
        r"requested memory for kv|can't allocate memory|cannot allocate memory|memoryerror",
        _MEMORY_CPU,
    ),
    (
        r"kv cache is needed, which is larger than",
        "lower models.{role}.serve.max_model_len, or raise its memory_share (GPU) or "
        "kv_cache_gib (CPU)",
    ),
    (
        r"greater than the derived max_model_len",
        "lower models.{role}.serve.max_model_len, or raise the model's own limit with "
        "serve.hf_overrides: {{max_position_embeddings: N}}",
    ),
    (
        r"no common block size",
        "set models.{role}.serve.block_size to a multiple of 32, or leave it out",
    ),
    (
        r"model architectures? .*(?:not supported|failed to be inspected)"
        r"|no model architectures are specified",
        "vLLM does not know this architecture: if it is a reward model's, install rsd where the "
        "server runs (pip install -e . in a clone of it, which brings the plugin) and leave "
        "VLLM_PLUGINS unset",
    ),
    (
        r"trust_remote_code|trust-remote-code",
        "the checkpoint wants to run its own code: if you trust it, set "
        "models.{role}.serve.trust_remote_code: true",
    ),
    (
        r"error: (?:unrecognized arguments|argument |ambiguous option)",
        "this vLLM does not take one of the flags: correct models.{role}.serve",
    ),
    (
        r"failed to infer device type|no cuda-capable device|found no nvidia driver"
        r"|cuda driver (?:initialization failed|version is insufficient)|no cuda gpus",
        "no usable GPU: set models.{role}.serve.device: cpu (and install requirements-cpu.txt), "
        "or mend the driver and serve.devices",
    ),
    (
        r"world size .* (?:larger|greater) than|number of available gpus|invalid device ordinal",
        "models.{role}.serve asks for more GPUs than there are: lower tensor_parallel, or name "
        "more devices",
    ),
    (
        r"bfloat16 is only supported",
        "set models.{role}.serve.dtype: float16",
    ),
    (
        r"no module named '?vllm",
        "install vLLM: pip install -r requirements.txt (GPU), or bash scripts/quickstart.sh (CPU)",
    ),
    (
        r"timed out waiting for engine core",
        "the machine is busy or the weights are large: give it longer with --timeout",
    ),
    (
        r"operator torchvision::nms does not exist",
        "a CUDA build of torchvision stands beside the CPU build of vLLM: pip uninstall "
        "torchvision torchaudio torchcodec",
    ),
)


def read_log(path: Path) -> list[str]:
    """The last lines of a server's log without their prefixes; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [_PREFIX.sub("", line).rstrip() for line in text.splitlines()]


def cause(lines: list[str]) -> str | None:
    """The line that says why: the last error that does not merely wrap another one."""
    errors = [line.strip() for line in lines if _EXCEPTION.match(line.strip())]
    roots = [line for line in errors if not _WRAPPER.search(line)]
    found = (roots or errors)[-1:]
    return found[0].removeprefix("Value error, ") if found else None


def tail(lines: list[str], count: int = TAIL_LINES) -> list[str]:
    """The last meaningful lines, equal neighbours once."""
    kept: list[str] = []
    for line in lines:
        if line.strip() and not _NOISE.search(line) and (not kept or kept[-1] != line):
            kept.append(line)
    return kept[-count:]


def mend(reason: str, command: ServerCommand) -> str | None:
    """What to do about `reason`, where it is one of the usual ones."""
    for pattern, advice in MENDS:
        if re.search(pattern, reason, re.IGNORECASE):
            return _fitting(advice, command)
    return None


def _fitting(advice: str, command: ServerCommand) -> str:
    if advice == _MEMORY_CPU and command.gpus:
        return _MEMORY_HOST
    return advice.format(role=command.role, port=command.port)


def death(command: ServerCommand, code: int, log: Path, when: str) -> LaunchError:
    """The error for a server that ended by itself with `code` (128 + N: by signal N).

    The message is one line; the log's last meaningful lines are its note (PEP 678).
    """
    lines = read_log(log)
    reason = cause(lines)
    advice = mend(reason, command) if reason else None
    if advice is None and code == 137:
        reason = "killed by SIGKILL, as the kernel does when memory runs out"
        advice = _fitting(_MEMORY_CPU, command)
    said = reason or (tail(lines) or ["nothing in its log"])[-1].strip()
    message = f"{command.name}: its vLLM server ended {when} (exit code {code}): {_short(said)}"
    error = LaunchError(f"{message}; {advice or 'see its log'} (log: {log})")
    if shown := tail(lines):
        error.add_note(f"last lines of {log}:\n" + "\n".join(f"  {_short(x)}" for x in shown))
    return error


def _short(text: str, length: int = 300) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
