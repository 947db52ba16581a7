"""The file of the step cache: several processes, kills, damage, a full disk."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from rsd.backends import StepStore
from rsd.backends.cache_store import VERSION
from rsd.errors import StoreError

WRITER = """
import sys
from hashlib import sha256
from pathlib import Path
from rsd.backends.cache_store import StepStore

path, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with StepStore(path) as store:
    print("open", flush=True)
    sys.stdin.readline()
    for number in range(first, last):
        store.put(sha256(b"%d" % number).digest(), b"%d" % number * 100)
        if number % 100 == 0:
            print(number, flush=True)
"""


def key(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


def answer(number: int) -> bytes:
    return b"%d" % number * 100


def fill(path: Path, numbers: Iterable[int]) -> None:
    with StepStore(path) as store:
        for number in numbers:
            store.put(key(number), answer(number))


def found(path: Path, numbers: Iterable[int]) -> set[int]:
    """Those of `numbers` that have an answer; it must be the right one."""
    with StepStore(path) as store:
        answers = {number: store.get(key(number)) for number in numbers}
    assert all(got in (None, answer(number)) for number, got in answers.items())
    return {number for number, got in answers.items() if got is not None}


def is_empty(path: Path) -> bool:
    """Asked without a lock, for which a writer would have to wait."""
    with closing(sqlite3.connect(path)) as reader:
        return reader.execute("SELECT 1 FROM answers LIMIT 1").fetchone() is None


def start(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first), str(last)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline() == "open\n"
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "steps.sqlite"


def test_what_was_put_is_there_at_once_and_later(path: Path) -> None:
    with StepStore(path) as store:
        assert store.get(key(1)) is None
        store.put(key(1), b"old")
        store.put(key(1), answer(1))
        assert store.get(key(1)) == answer(1)
    assert found(path, range(3)) == {1}
    assert not path.with_name("steps.sqlite-wal").exists()


def test_two_processes_make_and_fill_one_file(path: Path) -> None:
    path.parent.mkdir()
    writers = [start(path, first, first + 1000) for first in (0, 500)]
    for writer in writers:
        go(writer)
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert found(path, range(1600)) == set(range(1500))


def test_a_process_sees_what_another_writes(path: Path) -> None:
    with StepStore(path) as store:
        assert store.get(key(5)) is None
        fill(path, [5])
        assert store.get(key(5)) == answer(5)


def test_a_killed_process_leaves_the_file_whole(path: Path) -> None:
    with start(path, 0, 10**9) as writer:
        go(writer)
        assert writer.stdout
        while writer.stdout.readline() != "3000\n":
            pass
        while is_empty(path):  # its thread may not have come to write yet
            pass
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
    there = found(path, range(100_000))
    assert there == set(range(len(there)))  # in the order in which they were put
    assert len(there) > 0
    fill(path, [10**9])
    assert found(path, [10**9]) == {10**9}


def test_a_file_that_is_something_else_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    for content in (b"a letter" * 1000, b"SQLite format 3\x00" + b"\xff" * 9000):
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"steps\.sqlite: .*run\.cache") as refusal:
            StepStore(path)
        assert "\n" not in str(refusal.value)
        assert path.read_bytes() == content
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE accounts (id)")
    other.close()
    with pytest.raises(StoreError, match=r"not a step cache; name another file in run\.cache"):
        StepStore(path)


def test_another_version_is_refused(path: Path) -> None:
    fill(path, [1])
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {VERSION + 1}")
    other.close()
    told = f"of version {VERSION + 1}, not {VERSION}, of another rsd; delete it"
    with pytest.raises(StoreError, match=told):
        StepStore(path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "steps.sqlite", tmp_path):
        with pytest.raises(StoreError, match=r"open.*run\.cache"):
            StepStore(path)


@pytest.mark.parametrize("spoil", [b"\x00", b"\xff"])
def test_a_damaged_file_never_gives_a_wrong_answer(
    path: Path, spoil: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Every seventieth byte is spoiled, from each of several starts."""
    numbers = range(60)
    fill(path, numbers)
    whole = path.read_bytes()
    outcomes = set()
    for start in (16, 100, 4096, 4200, 9000):
        spoiled = bytearray(whole)
        for place in range(start, len(spoiled), 70):
            spoiled[place : place + 1] = spoil
        path.write_bytes(spoiled)
        try:
            outcomes.add("read" if found(path, numbers) == set(numbers) else "lost")
        except StoreError:
            outcomes.add("refused")
    assert outcomes == {"lost", "refused"}
    assert "damaged answer" in caplog.text or "SQLite says" in caplog.text


def test_a_damaged_answer_can_be_replaced(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(path, [1, 2])
    spoiled = path.read_bytes().replace(answer(2), b"3" + answer(2)[1:])
    path.write_bytes(spoiled)
    assert found(path, [1, 2]) == {1}
    assert "holds a damaged answer, which is asked for again" in caplog.text
    fill(path, [2])
    assert found(path, [1, 2]) == {1, 2}


def test_a_full_disk_costs_one_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(path, [1])
    with StepStore(path) as store:
        store._writer.execute("PRAGMA max_page_count = 20")
        for number in range(2, 2000):
            store.put(key(number), answer(number))
            store._thread.submit(int).result()  # the writer has had its turn
        assert store.get(key(1)) == answer(1)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [
        f"{path}: SQLite says: database or disk is full; the run goes on without adding to it"
    ]
    there = found(path, range(2000))
    assert {1, 2} <= there
    assert len(there) < 1000


def test_a_file_that_fails_while_it_is_read_costs_one_warning(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(path, range(200))
    with StepStore(path) as store:
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 100_000)
        assert [store.get(key(number)) for number in range(200)] == [None] * 200
    assert len(caplog.records) == 1
    assert "the run goes on without it" in caplog.text
