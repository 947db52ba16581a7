"""What decoding costs: positions, tokens and FLOPs, counted once for tables, page and gateway.

    steps (StepRecord) -> fold -> Fold -> flops            all models
                                       -> reference_flops  the target alone, writing the same

A `Step` of a decoding under way becomes a `StepRecord` by `StepRecord.of`.
"""

from rsd.costs.folds import Flops, Fold, flops, fold, ratio, reference_flops, share, total
from rsd.costs.speculation import SpeculationCost, speculation_cost, total_speculation

__all__ = [
    "Flops",
    "Fold",
    "SpeculationCost",
    "flops",
    "fold",
    "ratio",
    "reference_flops",
    "share",
    "speculation_cost",
    "total",
    "total_speculation",
]
