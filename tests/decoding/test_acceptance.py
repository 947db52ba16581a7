from __future__ import annotations

import math

import pytest

from rsd.decoding import WEIGHTINGS


@pytest.mark.parametrize(
    ("threshold", "reward", "weight"),
    [
        (0.7, 0.7, 1.0),
        (0.7, math.nextafter(0.7, 0), 0.0),
        (-math.inf, 0.0, 1.0),
        (math.inf, 1.0, 0.0),
        (0.7, math.nan, 0.0),
    ],
)
def test_the_step_function(threshold: float, reward: float, weight: float) -> None:
    assert WEIGHTINGS["step"](threshold)(reward) == weight
