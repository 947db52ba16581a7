"""The section `tasks`: which benchmarks, and benchmarks of your own."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from rsd.config.strict import PositiveInt, Strict, UserPath

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
"""The formats of a benchmark's file."""

Text = Annotated[str, Field(min_length=1)]


class HubSource(Strict):
    """A data set on the Hugging Face hub."""

    path: Text
    config: str | None = None
    split: Text = "test"
    revision: str | None = Field(None, description="a commit; None: the newest")


class TaskDefinition(Strict):
    """A benchmark of your own: where its rows are, and what its columns mean.

    A column is its name, or a text with columns in braces, such as `{premise} {question}`. What is
    left out is guessed from the names of the columns.
    """

    file: UserPath | None = Field(None, description=f"rows, as {', '.join(SUFFIXES)}")
    hub: HubSource | None = Field(None, description="a data set on the hub, in place of a file")
    question: Text | None = None
    gold: Text | None = Field(None, description="the answer, or a worked solution that ends in it")
    choices: Text | Annotated[tuple[Text, ...], Field(min_length=2, max_length=10)] | None = Field(
        None, description="a column of options, or one column for each option"
    )
    id: Text | None = Field(None, description="unique; without one, rows are numbered from 0")
    level: Text | None = None
    answers: Literal["number", "mathematics", "choice", "text"] | None = Field(
        None, description="what the gold answers are, which decides how answers are compared"
    )

    @property
    def guesses(self) -> bool:
        """Whether what a result rests on is left to the names of the columns."""
        return None in (self.question, self.gold, self.answers)

    @field_validator("file")
    @classmethod
    def _has_a_known_format(cls, file: Path | None) -> Path | None:
        if file is not None and file.suffix.lower() not in SUFFIXES:
            raise ValueError(f"{file}: unknown format; rsd reads {', '.join(SUFFIXES)}")
        return file

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.file is None) == (self.hub is None):
            raise ValueError("a benchmark needs either a file or a hub data set")
        return self

    @model_validator(mode="after")
    def _choices_have_letters(self) -> Self:
        if self.choices is not None and self.answers not in (None, "choice"):
            raise ValueError(f"answers: {self.answers} has no choices; leave out one of the two")
        return self


class TasksConfig(Strict):
    """Which benchmarks, and where their files are."""

    names: tuple[str, ...] = Field(
        min_length=1, description="benchmarks of rsd, of `define`, or files of rows"
    )
    define: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], TaskDefinition] = (
        Field(default_factory=dict, description="benchmarks of your own, by name")
    )
    limit: PositiveInt | None = Field(None, description="at most the first N problems a task")
    data_dir: UserPath = Path("data")
    questions: dict[str, str] | None = Field(
        None, description="SHA-256 of each benchmark's questions; rsd writes it"
    )

    @model_validator(mode="before")
    @classmethod
    def _define_files(cls, values: Any) -> Any:
        """A file in `names` becomes a definition, named by its stem."""
        if not isinstance(values, dict) or not isinstance(values.get("names"), list | tuple):
            return values
        define = values.get("define") or {}
        if not isinstance(define, dict):
            return values
        names, define = list(values["names"]), dict(define)
        for i, name in enumerate(names):
            if not isinstance(name, str) or not is_file_name(name):
                continue
            stem = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(name).stem).strip("-._")
            if not stem or stem in define or stem in names:
                raise ValueError(
                    f"{name}: its name, {stem or 'empty'}, is taken; give it another under "
                    f"tasks.define"
                )
            names[i], define[stem] = stem, {"file": name}
        return {**values, "names": names, "define": define}

    @field_validator("names")
    @classmethod
    def _are_distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is listed twice; list each benchmark once")
        return names


def is_file_name(name: str) -> bool:
    """Whether an entry of `tasks.names` is a file of rows, not the name of a benchmark."""
    return "/" in name or PurePath(name).suffix.lower() in SUFFIXES
