"""What scripts/fetch_smollm2.py says; making the checkpoint itself takes a minute and a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "fetch_smollm2.py"


def fetch(
    *arguments: str | Path, python: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, SCRIPT, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("fetch_smollm2: ")
    return line


def checkpoint(directory: Path) -> Path:
    """A finished checkpoint of two tensors, six parameters."""
    directory.mkdir()
    (directory / "LICENSE").touch()
    header = b'{"__metadata__":{},"a":{"shape":[2,2]},"b":{"shape":[2]}}'
    content = len(header).to_bytes(8, "little") + header + bytes(12)
    (directory / "model.safetensors").write_bytes(content)
    return directory


def test_a_finished_checkpoint_is_described_and_left_alone(tmp_path: Path) -> None:
    made = checkpoint(tmp_path / "made")
    before = {path: path.stat().st_mtime_ns for path in made.iterdir()}
    done = fetch(made, python=("-S",))  # without torch: nothing is made
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout
    assert "parameters  6\n" in done.stdout
    assert re.search(r"^SHA-256 +[0-9a-f]{64}$", done.stdout, re.MULTILINE)
    assert "Apache-2.0" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in made.iterdir()} == before


@pytest.mark.parametrize("is_file", [True, False])
def test_what_is_not_a_checkpoint_is_not_replaced(tmp_path: Path, is_file: bool) -> None:
    mine = tmp_path / "mine"
    if is_file:
        mine.write_text("mine")
    else:
        (mine / "work").mkdir(parents=True)
    assert "holds something else; name another directory" in error_line(fetch(mine))
    assert mine.exists()


def test_without_torch_it_names_the_environment(tmp_path: Path) -> None:
    line = error_line(fetch(tmp_path / "new", python=("-S",)))
    assert "has no torch; use the environment that" in line
    assert not any(tmp_path.iterdir())


def test_without_a_network_it_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    nowhere = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "1",
        "NO_PROXY": "127.0.0.1",
    }
    line = error_line(fetch(tmp_path / "new", TMPDIR=str(tmp_path), **nowhere))
    assert "the package index cannot be reached; check the network" in line
    assert not any(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_found_before_anything_is_fetched() -> None:
    done = fetch("/proc/smollm2")
    assert "/proc/smollm2 cannot be made" in error_line(done)
    assert "installing" not in done.stdout


def test_unknown_arguments_are_refused(tmp_path: Path) -> None:
    done = fetch(tmp_path / "new", "--quantize")
    assert done.returncode == 2
    assert "unrecognized arguments: --quantize" in done.stderr


@pytest.mark.parametrize(
    "pinned", re.findall(r'"([a-z0-9-]+==[0-9.]+)"', SCRIPT.read_text(encoding="utf-8"))
)
def test_a_pinned_package_is_there(pinned: str) -> None:
    name, version = pinned.split("==")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", name],
        env={**os.environ, "PIP_RETRIES": "1", "PIP_TIMEOUT": "10"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        pytest.skip(f"the package index did not answer: {done.stderr.strip()[-200:]}")
    assert version in re.split(r"[,\s]+", done.stdout)
