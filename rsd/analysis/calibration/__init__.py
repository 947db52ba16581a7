"""Which threshold suits a reward model and a budget, from the rewards that a run recorded.

    calibration = calibrate(read_run(directory), target_share=0.3)
    render_calibration(calibration)                 text
    calibration.model_dump_json()                   for machines

Nothing is decoded. `recorded` reads the rewards, `budget` finds the threshold, `replay` bounds the
accuracy at others, `separation` says how well rewards tell right from wrong, `checks` compares
predictions with other runs. docs/calibration.md says what may be concluded.
"""

from rsd.analysis.calibration.result import Calibration, calibrate
from rsd.analysis.calibration.table import render_calibration

__all__ = ["Calibration", "calibrate", "render_calibration"]
