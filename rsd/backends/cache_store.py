"""The file of the step cache: answers by the digest of what they answer, in SQLite.

Several processes may use one file at the same time, and one that is killed leaves it whole: it
has a write-ahead log (https://sqlite.org/wal.html), which needs a local disk. Each answer carries
a checksum, because SQLite itself does not notice a flipped bit.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Self

from rsd.errors import StoreError

log = logging.getLogger(__name__)

_APPLICATION = 0x52534443  # "RSDC": how a file is known to be a step cache
VERSION = 1
"""Of keys and answers: a file of another version is refused."""

_PATIENCE_S = 30.0  # for another process that writes
_CHECKSUM_BYTES = 16


class StepStore:
    """An open step cache file, made if it is not there. Use as a context manager.

    `get` and `put` are for one thread and do not wait for the disk: a thread of the store's own
    writes what was put, which `get` knows at once. A file that fails while it is in use, as on a
    full disk, costs one warning, and no run: what is stored may still be read, more is not.
    """

    def __init__(self, path: Path) -> None:
        """Raises `StoreError` for a file that is damaged, of another version, or no step cache."""
        self.path = path
        self._unwritten: dict[bytes, bytes] = {}
        self._lock = Lock()  # of the above
        self._readable = self._writable = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._reader = _connection(path)
            try:
                _prepare(self._reader, path)
                self._writer = _connection(path)
            except BaseException:
                self._reader.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: {_reason(error)}; {_MEND}") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="step-cache")

    def get(self, key: bytes) -> bytes | None:
        """The answer stored under `key`, or None."""
        if (unwritten := self._unwritten.get(key)) is not None:
            return unwritten
        if not self._readable:
            return None
        try:
            rows = self._reader.execute(_SELECT, (key,)).fetchall()
        except sqlite3.Error as error:
            self._readable = False
            log.warning("%s: %s; the run goes on without it", self.path, _reason(error))
            return None
        for (stored,) in rows:
            answer = bytes(stored[_CHECKSUM_BYTES:])
            if stored == _checksum(key, answer) + answer:
                return answer
            log.warning("%s: holds a damaged answer, which is asked for again", self.path)
        return None

    def put(self, key: bytes, answer: bytes) -> None:
        """Store `answer` under `key`, in the place of any other."""
        if self._writable:
            with self._lock:
                self._unwritten[key] = answer
            self._thread.submit(self._write)

    def close(self) -> None:
        """Write what is unwritten, and close the file."""
        self._thread.shutdown()
        self._writer.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        """Write all that is unwritten, in one transaction."""
        if not self._writable:
            return
        with self._lock:
            batch = [*self._unwritten.items()]
        if not batch:
            return
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?)",
                    [(key, _checksum(key, answer) + answer) for key, answer in batch],
                )
        except sqlite3.Error as error:
            self._writable = False
            why = _reason(error)
            log.warning("%s: %s; the run goes on without adding to it", self.path, why)
        with self._lock:
            for key, answer in batch:
                if self._unwritten.get(key) is answer:  # and not put anew meanwhile
                    del self._unwritten[key]


_SELECT = "SELECT answer FROM answers WHERE key = ?"
_MEND = "delete it, or name another file in run.cache"


def _connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = NORMAL")  # whole after a power failure, if older
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make a step cache of an empty file; refuse one that is something else."""
    _use_log(connection)
    connection.execute("BEGIN IMMEDIATE")  # of several processes, one makes it
    with connection:
        application, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not (application or version or tables):
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute(
                "CREATE TABLE answers (key BLOB PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID"
            )
        elif application != _APPLICATION:
            raise StoreError(f"{path}: not a step cache; name another file in run.cache")
        elif version != VERSION:
            raise StoreError(
                f"{path}: a step cache of version {version}, not {VERSION}, of another rsd; {_MEND}"
            )
    connection.execute(_SELECT, (b"",)).fetchall()


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log. SQLite does not wait for another process that does the same."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _checksum(key: bytes, answer: bytes) -> bytes:
    return blake2b(answer, key=key, digest_size=_CHECKSUM_BYTES).digest()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be opened: {error.strerror}"
    return f"SQLite says: {error}"
