"""Figures as the texts of a table's cells, the same in the terminal and on the page.

Accuracies and shares are shown in percent, differences in percentage points.
"""

from __future__ import annotations

from rsd.shares import rounded_percent

UNKNOWN = "-"


def percent(value: float | None, digits: int = 0) -> str:
    """A share in percent. 0% and 100% are exact: what would be rounded to them is `<1%`, `>99%`."""
    return UNKNOWN if value is None else rounded_percent(value, digits) + "%"


def fixed(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def figure(value: float | None) -> str:
    """About three significant digits, never in exponent form."""
    if value is None:
        return UNKNOWN
    digits = next((d for limit, d in ((0.1, 3), (10, 2), (100, 1)) if abs(value) < limit), 0)
    return f"{value:,.{digits}f}"


def operations(flops: float) -> str:
    """Floating-point operations in a unit that leaves a readable number."""
    units = ((1e15, "P"), (1e12, "T"), (1e9, "G"))
    size, prefix = next((unit for unit in units if flops >= unit[0]), (1.0, ""))
    return f"{figure(flops / size)} {prefix}FLOPs"


def accuracy(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None or interval is None:
        return UNKNOWN
    low, high = interval
    return f"{rounded_percent(value, 1)} [{rounded_percent(low, 1)}, {rounded_percent(high, 1)}]"


def points(value: float | None, interval: tuple[float, float] | None) -> str:
    """A signed difference of accuracies, in percentage points."""
    if value is None or interval is None:
        return UNKNOWN
    return f"{signed(value)} [{signed(interval[0])}, {signed(interval[1])}]"


def p_value(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def signed(value: float) -> str:
    """A difference of accuracies in percentage points, with its sign."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")
