"""What decoding costs: positions, tokens and FLOPs, counted once for tables, page and gateway.

    steps (StepRecord) -> cost_totals -> CostTotals
        -> flops             all models
        -> reference_flops   the target alone, writing the same

A `Step` of a decoding under way becomes a `StepRecord` by `StepRecord.of`.
"""

from rsd.costs.speculation import SpeculationCost, speculation_cost, total_speculation
from rsd.costs.totals import (
    CostTotals,
    Flops,
    cost_totals,
    flops,
    known_sum,
    ratio,
    reference_flops,
    share,
    total,
)

__all__ = [
    "CostTotals",
    "Flops",
    "SpeculationCost",
    "cost_totals",
    "flops",
    "known_sum",
    "ratio",
    "reference_flops",
    "share",
    "speculation_cost",
    "total",
    "total_speculation",
]
