"""Shares in percent."""

from __future__ import annotations


def rounded_percent(share: float, digits: int = 0) -> str:
    """`share`, in [0, 1], in percent without the sign, with `digits` decimals. Only exact values
    give "0" and "100": others close to them become `<1`, `>99`, or `<0.1`, `>99.9`."""
    text = f"{100 * share:.{digits}f}"
    if float(text) == 0 < share:
        return f"<{10**-digits:.{digits}f}"
    if float(text) == 100 and share < 1:
        return f">{100 - 10**-digits:.{digits}f}"
    return text
