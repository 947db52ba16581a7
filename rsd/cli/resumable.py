"""Commands that an interruption costs nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

INTERRUPTED = "interrupted; what was finished is kept, the same command resumes"


@contextmanager
def resumable() -> Iterator[None]:
    """On Ctrl-C, say that the same command resumes, and exit with 130. (Typer itself would exit
    without a word.) SIGTERM is taken for Ctrl-C, and that for itself even in a shell's background
    job, which begins with it ignored."""
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, _interrupt),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"rsd: {INTERRUPTED}", err=True)
        raise typer.Exit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
