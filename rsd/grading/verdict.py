"""The types of grading: what kind of answer is expected, under which policies, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Policies of the default verdict, where two readings of "the same answer" are defensible.

    percent_scale: `28%` also equals `0.28` (it always equals `28%` and `28`).
    decimal_digits: a decimal with at least this many significant digits equals the exact value
        that it rounds; 0 never.
    rounded_gold: an exact answer equals a decimal gold of at least this many significant digits
        that it rounds to (`10/3` and 3.33333); 0 never.
    omitted_base: `52` equals `52_8`.
    choices: texts of the options A, B, C ..., where the caller knows them.
    """

    percent_scale: bool = True
    decimal_digits: int = 10
    rounded_gold: int = 4
    omitted_base: bool = True
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one response was graded.

    prediction: the answer read from the response; None where there is none.
    correct: the default verdict; None where the gold answer is empty or broken.
    correct_paper: the verdict of Qwen2.5-Math's evaluation, on which the paper's figures rest.
    how: `<where the answer stood>/<rule that decided>`, for example `box/number`; or
        `no-answer`, `ungradable`; or, where no default verdict was reached and `correct` is False
        for want of one, `timeout` or `crash`.
    how_paper: `timeout` or `crash` where no verdict of that evaluation was reached and
        `correct_paper` is False for want of one; else None.
    """

    prediction: str | None
    correct: bool | None
    correct_paper: bool
    how: str
    how_paper: str | None = None
