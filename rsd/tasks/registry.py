"""The benchmarks, in a few declarative lines each."""

from __future__ import annotations

from rsd.tasks.task import Hub, Row, Task


def _after_hashes(row: Row) -> str:
    """GSM8K's gold: what follows `####` in the worked solution."""
    return str(row["answer"]).rpartition("####")[2].strip()


def _level(row: Row) -> str | None:
    return str(row["level"]) if "level" in row else None


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="demo",
            about="generated grade-school word problems for the bundled tiny models",
            rows=200,
            licence="Apache-2.0 (part of rsd)",
            hub=None,
            question=lambda row: str(row["question"]),
            gold=_after_hashes,
            level=_level,
        ),
        Task(
            name="gsm8k",
            about="grade-school word problems",
            rows=1319,
            licence="MIT",
            hub=Hub("openai/gsm8k", "main", "test"),
            question=lambda row: str(row["question"]),
            gold=_after_hashes,
        ),
        Task(
            name="math500",
            about="competition mathematics, 500 of MATH's test problems",
            rows=500,
            licence="MIT",
            hub=Hub("HuggingFaceH4/MATH-500", None, "test"),
            question=lambda row: str(row["problem"]),
            gold=lambda row: str(row["answer"]),
            level=_level,
        ),
    )
}
