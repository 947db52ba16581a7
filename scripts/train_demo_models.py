"""Remake the bundled demo family (benchmark, tokenizer, draft, target, PRM, model card).

Everything follows from the seed. A run that was stopped goes on where it was when started again
with the same --work; remove that directory to start afresh.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from demo_family.pipeline import DEFAULT_SEED, FULL, SMOKE, STAGES, Pipeline
from demo_family.training import prepare_process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("data/demo"), help="published files")
    parser.add_argument("--work", type=Path, default=Path("runs/demo-training"), help="checkpoints")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=STAGES,
        default=STAGES,
        metavar="STAGE",
        help=f"any of: {', '.join(STAGES)} (default: all, in this order)",
    )
    parser.add_argument(
        "--smoke", action="store_true", help="every stage in about a minute; the models are useless"
    )
    arguments = parser.parse_args()
    device = prepare_process(arguments.threads)
    plan = SMOKE if arguments.smoke else FULL
    pipeline = Pipeline(arguments.out, arguments.work, arguments.seed, plan, device)
    for stage in STAGES:
        if stage in arguments.stages:
            pipeline.run(stage)


if __name__ == "__main__":
    main()
