"""What every command sets in its own process."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rsd.cli import process

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUN = """
import asyncio, sys
{before}
from rsd.cli.process import prepare_process
prepare_process()
async def loop(): return type(asyncio.get_running_loop()).__module__
print(asyncio.run(loop()))
"""


def loop_of(before: str = "") -> str:
    command = [sys.executable, "-c", RUN.format(before=before)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_uvloop_is_taken_where_it_is_installed() -> None:
    pytest.importorskip("uvloop")
    assert loop_of().startswith("uvloop")


def test_without_uvloop_it_is_asyncios() -> None:
    assert loop_of("sys.modules['uvloop'] = None").startswith("asyncio")


def test_as_many_connections_as_the_system_allows() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = f"""
import atexit, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
atexit.register(lambda: print(resource.getrlimit(resource.RLIMIT_NOFILE)))
"""
    assert loop_of(before).endswith(str((hard, hard)))


TOKENIZE = """
import sys
{before}
from rsd.backends import leave_torch_out, load_tokenizer
{choice}
print(load_tokenizer("data/demo/prm").encode("a b"))
print("torch" in sys.modules)
from importlib.util import find_spec
print(find_spec("torch") is not None)
"""


def tokenized(choice: str, before: str = "") -> tuple[str, str, str]:
    """Token ids, whether torch was imported for them, and whether it could be afterwards."""
    code = TOKENIZE.format(choice=choice, before=before)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr == ""
    ids, imported, importable = done.stdout.splitlines()
    return ids, imported, importable


def test_tokenizers_are_loaded_without_torch_where_that_is_asked_for() -> None:
    pytest.importorskip("torch")
    ids, imported, _ = tokenized("")
    assert imported == "True"
    assert tokenized("leave_torch_out()") == (ids, "False", "True")


def test_torch_is_not_taken_from_who_has_imported_it() -> None:
    pytest.importorskip("torch")
    assert tokenized("leave_torch_out()", "import torch")[1:] == ("True", "True")


@pytest.mark.parametrize(
    ("own", "strategies", "left_out"),
    [(True, ["rsd", "draft"], True), (True, ["rsd", "mine:Own"], False), (False, ["rsd"], False)],
)
def test_a_strategy_of_the_user_s_own_may_want_torch_and_so_may_another_process(
    own: bool, strategies: list[str], left_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(process, "_is_ours", own)
    monkeypatch.setattr(process, "leave_torch_out", lambda: asked.append(True))
    process.without_torch(strategies)
    assert bool(asked) == left_out


def test_nothing_is_said_of_a_torch_that_nobody_needs() -> None:
    code = """
import sys
sys.modules["torch"] = None  # as where it is not installed
from rsd.cli.process import prepare_process
prepare_process()
import transformers
transformers.AutoTokenizer
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
