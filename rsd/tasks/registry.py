"""All benchmarks by name: the six of the paper's average together, then the others."""

from __future__ import annotations

from dataclasses import replace

from rsd.kinds import kind_of
from rsd.tasks.competitions import COMPETITIONS
from rsd.tasks.mathematics import MATHEMATICS
from rsd.tasks.multiple_choice import MULTIPLE_CHOICE
from rsd.tasks.task import Task
from rsd.tasks.word_problems import WORD_PROBLEMS

_ORDER = (
    "demo gsm8k math500 gaokao2023en olympiadbench gpqa mmlu_stem math minerva_math college_math "
    "amc23 aime24 svamp asdiv mawps tabmwp sat_math aqua "
    "aime25 aime26 hmmt_feb25 hmmt_nov25 hmmt_feb26 brumo25 beyond_aime imo_answerbench "
    "olymmath_easy olymmath_hard omni_math"
)
_GROUPS = (WORD_PROBLEMS, MATHEMATICS, MULTIPLE_CHOICE, COMPETITIONS)
_BY_NAME = {task.name: task for group in _GROUPS for task in group}

TASKS: dict[str, Task] = {
    name: replace(_BY_NAME[name], kind=kind_of(name)) for name in _ORDER.split()
}
