"""The files of a run directory: pydantic models of their lines, and functions to read them.

    runs/<name>-<digest>/
        config.yaml          the resolved configuration
        manifest.json        Manifest
        trajectories.jsonl   TrajectoryRecord, one line per attempt at a (problem, sample)
        grades.jsonl         GradeRecord, one line per grading of a trajectory
        grades_cut.jsonl     CutGradeRecord, one line per solution cut by patience (profile paper)
        metrics.json         written by rsd.analysis
        report.html          written by rsd.analysis

`rsd.runs` writes these files, `rsd.analysis` reads them; they share nothing else.
`trajectories.jsonl` only grows; `read_current` selects the lines that count. `*seconds` are
wall-clock durations, `*started_at` is Unix time.
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
    "add_trajectory",
    "read_current",
    "read_lines",
    "read_manifest",
    "read_run",
    "unwritable",
    "usage_by_role",
    "write_atomically",
]
