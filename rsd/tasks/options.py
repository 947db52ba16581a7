"""Multiple choice: the options of a row, and which of them its answer names, in the layouts that
data sets have.

Labelled are a list of texts, `{"text": [...], "label": [...]}`, a list of `{"text": ..., "label":
...}`, or an object from label to text. Labels are letters or whole numbers. An answer is a label,
in either case; without labels of their own, options are labelled A, B, C ..., and an answer may
also be an index from 0. Where all else fails, it is the text of the one option that it equals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from rsd.tasks.fields import Row, as_text, named, texts

LETTERS = "ABCDEFGHIJ"
"""The labels of options."""

Labelled = tuple[list[str], list[str]]
"""(labels, texts), in the order of the labels."""

_LAYOUTS = 'write a list of texts, {"A": "...", "B": "..."} or {"text": [...], "label": [...]}'


def options(column: str) -> Callable[[Row], tuple[str, ...]]:
    """The texts of the options in a column, without the labels they may bear."""
    return lambda row: tuple(read_options(row[column], column)[1])


def answer(column: str, of: str) -> Callable[[Row], str]:
    """The letter of the option that a column names, among those of the column `of`."""
    return lambda row: letter_of(row[column], read_options(row[of], of), column)


def read_options(value: object, what: str) -> Labelled:
    """The options of `value`. Raises `ValueError`, which names `what`, where it has none of the
    layouts, fewer than two options or more than ten, an empty one, or labels in no order."""
    if isinstance(value, dict):
        labels, found = _of_object(value, what)
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        labels, found = _of_objects(value, what)
    elif isinstance(value, str):
        labels, found = [], inline(value)
        if not found:
            raise ValueError(f"{what} is a text; {_LAYOUTS}")
    else:
        labels, found = [], unlabelled(texts(value, what))
    if not 2 <= len(found) <= len(LETTERS):
        raise ValueError(f"{what} has {len(found)} options; write 2 to {len(LETTERS)}")
    if "" in found:
        raise ValueError(f"option {found.index('') + 1} of {what} is empty; fill it in")
    if not labels:
        return list(LETTERS[: len(found)]), found
    return _in_order(labels, found, what)


def letter_of(value: object, known: Labelled, what: str) -> str:
    """The letter of the option that `value` names. Raises `ValueError`, which names `what`, where
    it names none, or may mean two."""
    labels, found = known
    given = as_text(value, what).strip()
    label = given.strip("().: ").upper()
    if label in labels:
        return LETTERS[labels.index(label)]
    same = [i for i, text in enumerate(found) if text == given]
    lettered = labels[0] == LETTERS[0]
    if lettered and given in map(str, range(len(found))):
        if isinstance(value, str) and same and same != [int(given)]:
            raise ValueError(f"{what} {given!r} may be an index or an option; write its letter")
        return LETTERS[int(given)]
    if len(same) == 1 and isinstance(value, str):
        return LETTERS[same[0]]
    indices = f", or an index from 0 to {len(found) - 1}" if lettered else ""
    raise ValueError(
        f"{what} {given[:40]!r} is none of its {len(found)} options; write one of "
        f"{labels[0]} to {labels[-1]}{indices}"
    )


def unlabelled(choices: Sequence[str]) -> list[str]:
    """Labelled on one line each, without a leading `A)`, if every one bears its own label."""
    lines = list(map(_one_line, choices))
    if len(lines) > len(LETTERS):
        return lines
    labels = [
        re.match(rf"\(?{LETTERS[i]}[).]\s*", line, re.IGNORECASE) for i, line in enumerate(lines)
    ]
    if not all(labels):
        return lines
    return [line[label.end() :] for line, label in zip(lines, labels, strict=True) if label]


def inline(text: str) -> list[str]:
    """The options of one text: `A) 50 B) 42 ...` or `A. 50 B. 42 ...`; none where it has none."""
    starts = [match.start() for match in re.finditer(r"(?<!\S)[A-Da-d][).]\s", text)]
    found = [text[a:b] for a, b in pairwise([*starts, None])]
    bare = unlabelled(found)
    return [] if bare == list(map(_one_line, found)) else bare


def _of_object(value: dict[object, object], what: str) -> Labelled:
    if set(value) == {"text", "label"}:
        found = texts(value["text"], f"{what}.text")
        labels = texts(value["label"], f"{what}.label")
        if len(labels) != len(found):
            raise ValueError(
                f"{what} has {len(found)} texts and {len(labels)} labels; write one label each"
            )
        return labels, found
    return [str(key) for key in value], [as_text(it, f"{what}.{key}") for key, it in value.items()]


def _of_objects(value: list[object], what: str) -> Labelled:
    for i, each in enumerate(value, start=1):
        if not isinstance(each, dict) or set(each) != {"text", "label"}:
            raise ValueError(f"entry {i} of {what} is {named(each)}; {_LAYOUTS}")
    pairs = [each for each in value if isinstance(each, dict)]
    labels = [as_text(it["label"], f"a label of {what}") for it in pairs]
    return labels, [as_text(it["text"], f"a text of {what}") for it in pairs]


def _in_order(labels: list[str], found: list[str], what: str) -> Labelled:
    """Sort options by their labels, which must be A, B, C ..., or numbers from 0 or 1."""
    pairs = sorted(
        zip((label.strip().upper() for label in labels), map(_one_line, found), strict=True),
        key=lambda pair: (len(pair[0]), pair[0]),  # 10 after 2
    )
    ordered = [label for label, _ in pairs]
    n = len(pairs)
    if ordered not in (
        [*LETTERS[:n]],
        [*map(str, range(n))],
        [*map(str, range(1, n + 1))],
    ):
        raise ValueError(
            f"{what} has the labels {', '.join(labels)[:60]}; label them A, B, C ... or 1, 2, 3 ..."
        )
    return ordered, [text for _, text in pairs]


def _one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip())
