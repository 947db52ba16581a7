"""The few statistics of the model card."""

from __future__ import annotations

from math import comb, sqrt


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def mcnemar_exact(first: list[bool], second: list[bool]) -> float:
    """Two-sided exact McNemar p value of two paired lists of verdicts."""
    wins = sum(a and not b for a, b in zip(first, second, strict=True))
    losses = sum(b and not a for a, b in zip(first, second, strict=True))
    trials = wins + losses
    tail = sum(comb(trials, k) for k in range(min(wins, losses) + 1)) / 2**trials
    return min(1.0, 2 * tail)


def roc_auc(scores: list[float], labels: list[bool]) -> float | None:
    """Probability that a right item scores above a wrong one, ties counted half.

    None where one of the two kinds is missing.
    """
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks = [0.0] * len(scores)
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and scores[order[stop]] == scores[order[start]]:
            stop += 1
        for position in range(start, stop):
            ranks[order[position]] = (start + stop + 1) / 2
        start = stop
    positives = sum(labels)
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    total = sum(rank for rank, label in zip(ranks, labels, strict=True) if label)
    return (total - positives * (positives + 1) / 2) / (positives * negatives)
