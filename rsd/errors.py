"""The exceptions of rsd, one per boundary that can fail.

    RsdError
    ├── ConfigError     a file, key or override is wrong; found before the first request
    ├── LaunchError     a vLLM server could not be started, or died
    ├── BackendError    a generator's server did not give a usable answer
    ├── ScorerError     the reward model's server did not give a usable reward
    ├── ContextError    an input no longer fits a model's context
    ├── UnusableAnswerError a server's answer cannot be used
    ├── ServerLostError     a server is down, overloaded or stuck
    ├── ServerChangedError  a server serves another model than before; ends a run
    ├── GradingError    the grading workers cannot run
    └── StoreError      a run directory cannot be read or written, or is in use

Every message says in one line what failed, where, and how to fix it. It may quote a server or a
file: control characters are escaped, so that a terminal obeys none.
"""

from __future__ import annotations

import sysconfig
import traceback
import unicodedata
from pathlib import Path

_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))  # control, format, surrogate, line breaks


def printable(text: str, keep: str = "") -> str:
    """`text` with escapes for characters that control a terminal, reverse the direction of writing
    or cannot be encoded. Line breaks and tabs become spaces, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(char if char in keep else _shown(char) for char in text)


def one_line(error: Exception) -> str:
    """An unexpected error in one printable line, such as `ValueError: no bar, in
    my_strategy.py:33`. The place is the last in the traceback outside rsd and installed packages,
    if there is one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(_RSD)]
    own = [frame for frame in own if not frame.filename.startswith(_INSTALLED)]
    place = (own or frames)[-1:]
    where = "".join(f", in {Path(frame.filename).name}:{frame.lineno}" for frame in place)
    message = str(error)
    return printable(type(error).__name__ + (f": {message}" if message else "") + where)


_RSD = Path(__file__).parent
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def _shown(char: str) -> str:
    if char in "\n\r\t":
        return " "
    if unicodedata.category(char) not in _UNSEEN:
        return char
    return char.encode("unicode_escape").decode("ascii")


class RsdError(Exception):
    """Base of all errors that rsd raises on purpose. Its text is printable."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(RsdError):
    """Configuration, a command line or an input file is wrong. Exit code 2."""


class LaunchError(RsdError):
    """A vLLM server process could not be started, or ended by itself."""


class BackendError(RsdError):
    """A draft or target server failed to answer, or answered something unusable."""


class ScorerError(RsdError):
    """The reward model's server failed, or its reward is not a finite number."""


class ContextError(BackendError, ScorerError):
    """The server refused an input because it does not fit its model's context length."""


class UnusableAnswerError(BackendError, ScorerError):
    """An answer without a usable result, such as an incomplete body or a reward that is not a
    number. Worth a retry."""


class ServerLostError(BackendError, ScorerError):
    """A server cannot be reached, refuses all work or does not answer in time. The request may be
    retried, at another replica or when the server is back.

    `reached`: the server may have begun the work, and may have failed because of it.
    """

    def __init__(self, message: str, *, reached: bool = False) -> None:
        super().__init__(message)
        self.reached = reached


class ServerChangedError(RsdError):
    """A server serves another model than before, so its answers must not join the run."""


class GradingError(RsdError):
    """The grading workers could not be started or kept alive."""


class StoreError(RsdError):
    """A run directory is unreadable, not writable, or in use."""


def first_error(group: ExceptionGroup[Exception]) -> RsdError:
    """The first error that a TaskGroup collected. Raises `group` if it holds any unexpected one."""
    ours, unexpected = group.split(RsdError)
    if ours is None or unexpected is not None:
        raise group
    first: Exception = ours
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, RsdError)
    return first
