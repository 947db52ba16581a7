"""Benchmarks of your own: from a definition and the rows of its source to a `Task`.

A definition may leave columns out; they are guessed from names that data sets commonly use, and
`Task.about` says what was taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from rsd.config import TaskDefinition
from rsd.errors import ConfigError
from rsd.kinds import AnswerKind
from rsd.tasks.fields import Row, as_text, last_box, plain_number, text_of
from rsd.tasks.files import Table
from rsd.tasks.options import LETTERS, letter_of, read_options
from rsd.tasks.task import Hub, Task

_QUESTION = "question problem prompt query input instruction text"
_GOLD = "gold answer final_answer expected_answer correct_answer correct target label solution"
_CHOICES = "choices options"
_ID = "id idx unique_id problem_id question_id uid problem_idx"
_LEVEL = "level difficulty"

_SLOT = re.compile(r"\{([^{}\\\n]+)\}")
_NUMBER = re.compile(r"[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%?")

_KIND = {
    "number": AnswerKind.NUMBER,
    "mathematics": AnswerKind.MATH,
    "choice": AnswerKind.CHOICE,
    "text": AnswerKind.TEXT,
}


def defined(name: str, definition: TaskDefinition) -> Task:
    """The task of a definition, before its rows are read: without readers of its columns."""
    hub = definition.hub
    return Task(
        name=name,
        about="defined in the configuration",
        rows=None,
        answers=definition.answers or "guessed from the rows",
        licence="",
        hub=Hub(hub.path, hub.split, hub.revision, (), config=hub.config) if hub else None,
        file=definition.file,
        definition=definition,
    )


def completed(task: Task, source: Table) -> Task:
    """A defined `task` with readers of its columns; a built-in one as it is.

    Raises `ConfigError` which names the columns that exist where one is missing or cannot be
    guessed.
    """
    definition = task.definition
    if definition is None:
        return task
    columns = _Columns(task.name, source)
    question = columns.named("question", definition.question) or columns.guess(
        "question", _QUESTION
    )
    gold = columns.named("gold", definition.gold) or columns.guess("gold", _GOLD, besides=question)
    choices = _choices(columns, definition)
    own_id = columns.named("id", definition.id) or columns.unique(_ID)
    level = columns.named("level", definition.level) or columns.first(_LEVEL)
    kind = _kind(columns, definition, choices, gold)
    if kind is AnswerKind.CHOICE and choices is None:
        raise ConfigError(
            f"tasks.define.{task.name}.choices: no column is called choices or options; name the "
            f"column, or one for each option ({columns.existing})"
        )
    if choices is not None:
        options = choices.options
        read_gold = lambda row: letter_of(columns.value(gold, row), options(row), gold)  # noqa: E731
    else:
        read_gold = lambda row: _final(columns.text(gold, row), kind)  # noqa: E731
    found = {"question": question, "gold": gold, "id": own_id, "level": level}
    taken = ", ".join(f"{what} from {column}" for what, column in found.items() if column)
    of_choices = f", choices from {choices.columns}" if choices else ""
    return replace(
        task,
        about=f"{taken}{of_choices}; answers: {_NAMES[kind]}",
        answers=_NAMES[kind],
        rows=len(source.rows),
        kind=kind,
        text=lambda row: columns.text(question, row),
        gold=read_gold,
        choices=(lambda row: tuple(options(row)[1])) if choices else task.choices,
        level=(lambda row: columns.text_if_any(level, row)) if level else task.level,
        own_id=(lambda row: columns.text(own_id, row)) if own_id else (lambda row: None),
    )


_NAMES = {kind: name for name, kind in _KIND.items()}


@dataclass(frozen=True)
class _Choices:
    """`options` reads the labels and texts of a row's options from `columns`."""

    columns: str
    options: Callable[[Row], tuple[list[str], list[str]]]


def _choices(columns: _Columns, definition: TaskDefinition) -> _Choices | None:
    wanted = definition.choices
    if isinstance(wanted, tuple):
        parts = [columns.named("choices", column) for column in wanted]
        each = [column for column in parts if column]
        return _Choices(", ".join(each), lambda row: _one_each(columns, each, row))
    column = columns.named("choices", wanted)
    if column is None and definition.answers in (None, "choice"):
        column = columns.first(_CHOICES)
        lettered = [letter for letter in LETTERS if letter in columns.columns]
        if column is None and lettered[:3] == ["A", "B", "C"]:
            return _Choices(", ".join(lettered), lambda row: _one_each(columns, lettered, row))
    if column is None:
        return None
    return _Choices(column, lambda row: read_options(_decoded(columns.value(column, row)), column))


def _one_each(columns: _Columns, each: Iterable[str], row: Row) -> tuple[list[str], list[str]]:
    """Options in columns of their own; the last ones may be empty."""
    texts = [columns.text_if_any(column, row) for column in each]
    while texts and not texts[-1]:
        texts.pop()
    return read_options([text or "" for text in texts], "choices")


def _decoded(value: object) -> object:
    """A list or object that a CSV cell holds as JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _kind(
    columns: _Columns, definition: TaskDefinition, choices: _Choices | None, gold: str
) -> AnswerKind:
    if definition.answers:
        return _KIND[definition.answers]
    if choices is not None:
        return AnswerKind.CHOICE
    for row in columns.table.rows:
        try:
            answer = _final(columns.text_if_any(gold, row) or "", AnswerKind.MATH)
        except ValueError:  # told with its line when the row is read
            continue
        if answer and not _NUMBER.fullmatch(answer):
            return AnswerKind.MATH
    return AnswerKind.NUMBER


def _final(text: str, kind: AnswerKind) -> str:
    """The answer in a gold column: what follows `####`, or stands in the last box, of a worked
    solution; else the whole text."""
    text = text.strip()
    if kind is AnswerKind.TEXT:
        return text
    if "####" in text:
        text = text.rpartition("####")[2].strip()
    elif "\\boxed" in text:
        text = last_box(text)
    return plain_number(text) if kind is AnswerKind.NUMBER else text


@dataclass(frozen=True)
class _Columns:
    """The columns of a source, and what a definition says of them."""

    task: str
    table: Table

    @property
    def columns(self) -> tuple[str, ...]:
        return self.table.columns

    @property
    def existing(self) -> str:
        return f"its columns are {', '.join(self.columns)}"

    def named(self, key: str, wanted: str | None) -> str | None:
        """`wanted`, a column or a text with columns in braces, if they exist."""
        if wanted is None:
            return None
        slots = _SLOT.findall(wanted) if wanted not in self.columns else []
        for column in slots or [wanted]:
            if column not in self.columns:
                raise ConfigError(
                    f"tasks.define.{self.task}.{key}: no column {column!r}; {self.existing}"
                )
        return wanted

    def first(self, names: str) -> str | None:
        """The first column called by one of `names`, in any case."""
        by_name = {column.lower().replace(" ", "_"): column for column in reversed(self.columns)}
        return next((by_name[name] for name in names.split() if name in by_name), None)

    def guess(self, key: str, names: str, besides: str | None = None) -> str:
        column = self.first(names)
        if column is None or column == besides:
            raise ConfigError(
                f"tasks.define.{self.task}.{key}: not given, and no column has a name to guess it "
                f"from; {self.existing}"
            )
        return column

    def unique(self, names: str) -> str | None:
        """The first column called by one of `names` if it identifies the rows."""
        column = self.first(names)
        values = [row.get(column) for row in self.table.rows] if column else []
        known = {str(value) for value in values if value is not None}
        return column if column and len(known) == len(values) else None

    def value(self, column: str, row: Row) -> object:
        return row[column] if column in self.columns else self.text(column, row)

    def text(self, column: str, row: Row) -> str:
        """The text of a column, or of a text with columns in braces. Raises `KeyError` where the
        row lacks one, `ValueError` where its value is no text."""
        if column in self.columns:
            return text_of(row, column).strip()
        return _SLOT.sub(lambda slot: as_text(row[slot[1]], slot[1]).strip(), column)

    def text_if_any(self, column: str, row: Row) -> str | None:
        """As `text`; None where the row lacks a column."""
        try:
            return self.text(column, row)
        except KeyError:
            return None
