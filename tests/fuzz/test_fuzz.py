"""A short fuzz of every target, and all that a long one ever found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzz.seeds import seeds, words
from fuzz.targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CORPUS = sorted(path for path in Path(__file__).with_name("corpus").glob("*/*"))
EXAMPLES = {"grader": 15, "verdict": 60, "config": 40, "override": 20, "sweep": 15, "rows": 40}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_once_found_is_mended(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_no_findings(name: str) -> None:
    for data in seeds(name):
        TARGETS[name](data)


def changed(data: bytes, name: str, chance: random.Random) -> bytes:
    """`data` with some pieces dropped, doubled, moved, or replaced by words."""
    pieces, pool = bytearray(data), words(name)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(pieces) + 1)
        until = min(len(pieces), at + chance.choice((0, 1, 1, 3, 20)))
        new = chance.choice((b"", chance.choice(pool), pieces[at:until] * 2, chance.randbytes(1)))
        pieces[at:until] = new
    return bytes(pieces)


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_fuzz_finds_nothing(name: str) -> None:
    @settings(
        max_examples=EXAMPLES.get(name, 100),
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(st.binary(max_size=200), st.randoms(use_true_random=False)))
    def fuzz(given_: bytes | random.Random) -> None:
        if isinstance(given_, bytes):
            TARGETS[name](given_)
        else:
            TARGETS[name](changed(given_.choice(seeds(name)), name, given_))

    fuzz()
