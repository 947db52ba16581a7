"""Fuzz one parser for some minutes, guided by coverage:

    pip install atheris
    python tests/fuzz/run.py verdict --minutes 10 --findings /tmp/findings

An input for which the target raises, or needs more than SECONDS of processor time, is written to
FINDINGS/<target>/, once a place in the code, and fuzzing goes on. What is mended moves to
tests/fuzz/corpus/<target>/, which the ordinary tests replay. How many cases were run is in
FINDINGS/<target>/state.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import atheris

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
with atheris.instrument_imports(include=["rsd", "yaml"]):
    from fuzz.seeds import seeds, words
    from fuzz.targets import TARGETS

SECONDS = 5.0
MOST_MEMORY = 4 << 30
CORPUS = Path(__file__).with_name("corpus")


class TooSlowError(BaseException):
    """An input took more than SECONDS. Not an `Exception`, which the code under test may catch."""


class Watch:
    """Runs a target, and keeps what it raises."""

    def __init__(self, name: str, findings: Path) -> None:
        self.cases = 0
        self.found: dict[str, str] = {}
        self.slowest = 0.0
        self._name, self._target = name, TARGETS[name]
        self._folder = findings / name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._begun = self._told = time.monotonic()
        signal.signal(signal.SIGVTALRM, _too_slow)

    def __call__(self, data: bytes) -> None:
        self.cases += 1
        clock = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            self._target(data)
        except (Exception, TooSlowError) as error:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self._keep(data, error)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.slowest = max(self.slowest, time.process_time() - clock)
        if time.monotonic() - self._told > 5:
            self.tell()

    def tell(self) -> None:
        """Write down how far it is: the fuzzer ends the process without coming back here."""
        self._told = time.monotonic()
        state = {
            "target": self._name,
            "minutes": round((self._told - self._begun) / 60, 2),
            "cases": self.cases,
            "slowest_cpu_s": round(self.slowest, 2),
            "found": self.found,
        }
        (self._folder / "state.json").write_text(json.dumps(state, indent=1))

    def _keep(self, data: bytes, error: BaseException) -> None:
        place = _place(error)
        if place in self.found:
            return
        name = hashlib.sha256(place.encode()).hexdigest()[:12]
        self.found[place] = name
        (self._folder / name).write_bytes(data)
        report = "".join(traceback.format_exception(error)[-30:])
        (self._folder / f"{name}.txt").write_text(report, errors="backslashreplace")
        self.tell()


def _place(error: BaseException) -> str:
    """What tells findings apart: the kind, and the last function of the project that it was in."""
    if isinstance(error, TooSlowError):
        return "too slow"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/rsd/" in f.filename or "/fuzz/targets" in f.filename]
    where = ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in ours[-2:])
    return f"{type(error).__name__} at {where}"


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError


def _arguments(name: str, minutes: float, folder: Path) -> list[str]:
    start = folder / "start"
    start.mkdir()
    kept = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    for number, data in enumerate([*seeds(name), *kept]):
        (start / str(number)).write_bytes(data)
    dictionary = folder / "words"
    lines = [f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"' for word in words(name)]
    dictionary.write_text("\n".join(lines) + "\n")
    limits = [f"-max_total_time={round(minutes * 60)}", "-timeout=300", "-max_len=4096"]
    places = [f"-dict={dictionary}", f"-artifact_prefix={folder}/", str(start)]
    return [sys.argv[0], *limits, "-rss_limit_mb=0", *places]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("target", choices=sorted(TARGETS))
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--findings", type=Path, required=True)
    chosen = options.parse_args()
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    watch = Watch(chosen.target, chosen.findings)
    test: Callable[[bytes], None] = watch
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # of targets, too: the fuzzer ends without calling atexit
        atheris.Setup(_arguments(chosen.target, chosen.minutes, Path(folder)), test)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
