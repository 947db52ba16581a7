"""The lines of a run directory, as pydantic models, and how they are read back.

    runs/<name>-<digest>/
        config.yaml          the resolved configuration
        manifest.json        Manifest
        trajectories.jsonl   TrajectoryRecord, a line for each attempt at a (problem, sample)
        grades.jsonl         GradeRecord, a line for each time that one was graded
        grades_cut.jsonl     CutGradeRecord, one a solution that patience cuts (profile paper)
        metrics.json         written by rsd.analysis
        report.html          written by rsd.analysis

`rsd.runs` writes these files, `rsd.analysis` reads them; they share nothing else.
`trajectories.jsonl` only grows, and `read_current` says which of its lines count. Readers accept
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
    CurrentRecords,
    RunRecord,
    add_trajectory,
    read_current,
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
    FAILED,
    UNDECIDED,
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
    "FAILED",
    "GRADES",
    "MANIFEST",
    "METRICS",
    "REPORT",
    "TRAJECTORIES",
    "UNDECIDED",
    "CurrentRecords",
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
    "add_trajectory",
    "read_current",
    "read_lines",
    "read_manifest",
    "read_run",
    "unwritable",
    "usage_by_role",
    "write_atomically",
]
