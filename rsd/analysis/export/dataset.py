"""The columns of `trajectories.jsonl` and `grades.jsonl` for the library `datasets`.

    from datasets import load_dataset
    from rsd.analysis.export.dataset import features
    from rsd.records import TrajectoryRecord

    solutions = load_dataset(
        "json", data_files="runs/*/trajectories.jsonl", features=features(TrajectoryRecord),
        split="train",
    )

A solution that failed and was retried has a line for each attempt; the last one without an `error`
counts (`rsd.records.read_current`).

Without `features`, `datasets` infers the types from the first 10 MB: a column that is null until
then, such as `error`, or a model that the first run did not use breaks loading the rest.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from datasets import Features, List, Value
from pydantic import BaseModel

_PLAIN = {int: "int64", float: "float64", bool: "bool", str: "string"}


def features(record: type[BaseModel]) -> Features:
    """The columns of the lines of `record`: `TrajectoryRecord` or `GradeRecord`."""
    return Features({name: _of(it.annotation) for name, it in record.model_fields.items()})


def _of(annotation: Any) -> Any:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        (annotation,) = (it for it in inner if it is not NoneType)
        return _of(annotation)
    if origin is tuple:
        return List(_of(inner[0]))
    if origin is dict:  # by model: a column for each, null where it had no request
        return {role: _of(inner[1]) for role in get_args(inner[0])}
    if origin is Literal or issubclass(annotation, Enum):
        return Value("string")
    if is_dataclass(annotation):
        return {name: _of(it) for name, it in get_type_hints(annotation).items()}
    if issubclass(annotation, BaseModel):
        return {name: _of(it.annotation) for name, it in annotation.model_fields.items()}
    return Value(_PLAIN[annotation])
