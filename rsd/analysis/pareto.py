"""Which of several runs are worth considering: those that no other beats in cost and accuracy."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The indices of those (cost, accuracy) that no other point dominates, by rising cost.

    A point dominates another that costs no less and is no more accurate, if it is better in one
    of both. Of equal points all are on the front.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    front: list[int] = []
    for i in order:
        if not front or points[i][1] > points[front[-1]][1] or points[i] == points[front[-1]]:
            front.append(i)
    return front
