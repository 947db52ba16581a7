"""The lines of a run directory, as pydantic models, and how they are read back.

    runs/<name>-<digest>/
        config.yaml          the resolved configuration
        manifest.json        Manifest
        trajectories.jsonl   TrajectoryRecord, one a (problem, sample)
        grades.jsonl         GradeRecord, one a (problem, sample)
        grades_cut.jsonl     CutGradeRecord, one a solution that patience cuts (profile paper)
        metrics.json         written by rsd.analysis
        report.html          written by rsd.analysis

`rsd.runs` writes these files, `rsd.analysis` reads them; they share nothing else. Readers accept
unknown fields, so that an older rsd can read a newer run. Seconds are wall-clock durations,
`*started_at` is Unix time.
"""

from rsd.records.files import (
    CONFIG,
    CUT_GRADES,
    GRADES,
    MANIFEST,
    METRICS,
    REPORT,
    TRAJECTORIES,
    RunRecord,
    read_lines,
    read_manifest,
    read_run,
    unwritable,
    write_atomically,
)
from rsd.records.manifest import (
    Manifest,
    ServedModel,
    ServedTokens,
    Session,
    Speculation,
)
from rsd.records.rows import (
    CutGradeRecord,
    GradeRecord,
    Key,
    StepRecord,
    TrajectoryRecord,
    UsageRecord,
    usage_by_role,
)

__all__ = [
    "CONFIG",
    "CUT_GRADES",
    "GRADES",
    "MANIFEST",
    "METRICS",
    "REPORT",
    "TRAJECTORIES",
    "CutGradeRecord",
    "GradeRecord",
    "Key",
    "Manifest",
    "RunRecord",
    "ServedModel",
    "ServedTokens",
    "Session",
    "Speculation",
    "StepRecord",
    "TrajectoryRecord",
    "UsageRecord",
    "read_lines",
    "read_manifest",
    "read_run",
    "unwritable",
    "usage_by_role",
    "write_atomically",
]
