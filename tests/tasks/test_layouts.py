"""What the rows of each benchmark become, in the local layout and in that of the hub."""

from __future__ import annotations

import pytest
from tasks.rows import GPQA_ON_THE_HUB, ROWS

from rsd.grading import AnswerKind, kind_of
from rsd.tasks import TASKS
from rsd.tasks.competitions import COMPETITIONS
from rsd.tasks.fields import last_box, one_span, real_newlines


def test_every_benchmark_has_a_row_here() -> None:
    assert set(ROWS) == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_a_row_becomes_a_question_and_a_gold_answer(name: str) -> None:
    row, expected = ROWS[name]
    problem = TASKS[name].problem(row, 0)
    assert (problem.question, problem.gold) == expected


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.hub])
def test_the_columns_taken_from_the_hub_suffice(name: str) -> None:
    task, (local, _) = TASKS[name], ROWS[name]
    assert task.hub is not None
    row = GPQA_ON_THE_HUB if name == "gpqa" else local
    taken = {column: row[column] for column in task.hub.columns if row.get(column) is not None}
    from_hub = task.problem(task.hub.as_local(taken), 0)
    if name == "gpqa":
        assert from_hub.choices["ABCD".index(from_hub.gold)] == "right"
        assert sorted(from_hub.choices) == ["false", "right", "untrue", "wrong"]
    else:
        assert (from_hub.question, from_hub.gold) == ROWS[name][1]


def test_the_order_of_gpqa_is_the_same_for_a_problem_always_and_differs_between_problems() -> None:
    hub = TASKS["gpqa"].hub
    assert hub is not None
    rows = [hub.as_local({**GPQA_ON_THE_HUB, "Record ID": f"rec{i}"}) for i in range(200)]
    assert rows[1]["choices"] == ["wrong", "false", "right", "untrue"]
    assert rows == [hub.as_local({**GPQA_ON_THE_HUB, "Record ID": f"rec{i}"}) for i in range(200)]
    shares = [sum(row["answer"] == place for row in rows) for place in range(4)]
    assert min(shares) > 30


def test_a_fetched_gpqa_row_is_read_as_the_hub_row() -> None:
    task = TASKS["gpqa"]
    assert task.hub is not None
    row = task.hub.as_local(GPQA_ON_THE_HUB)
    assert set(row) == {"id", "question", "choices", "answer"}
    assert task.problem(row, 5).problem_id == "rec1"


def test_sources_are_pinned_to_a_commit_but_those_that_no_one_here_could_see() -> None:
    unpinned = {task.name for task in COMPETITIONS}
    for task in TASKS.values():
        if task.hub is not None:
            assert task.hub.columns
            assert (task.hub.revision is None) is (task.name in unpinned)
            assert task.hub.revision is None or len(task.hub.revision) == 40


def test_the_words_for_the_answers_agree_with_the_kind_that_grading_goes_by() -> None:
    kinds = {"number": AnswerKind.NUMBER, "letter": AnswerKind.CHOICE}
    for task in TASKS.values():
        assert kind_of(task.name) is kinds.get(task.answers, AnswerKind.MATH), task.name


def test_problems_carry_their_choices() -> None:
    problem = TASKS["aqua"].problem(ROWS["aqua"][0], 0)
    assert problem.choices == ("5(√3 + 1)", "6", "A)", "8", "None of these")
    assert TASKS["gsm8k"].problem(ROWS["gsm8k"][0], 0).choices == ()


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"\boxed{1} and \boxed{\{2\}}", r"\{2\}"),
        (r"so $\boxed 9$.", "9"),
        (r"\boxed{a $ $ b}", "a   b"),
        (r"\boxed{never closed", ""),
        ("none", ""),
    ],
)
def test_the_last_box_counts(text: str, content: str) -> None:
    assert last_box(text).split() == content.split()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("$ 2n $", "2n"),
        (r"$\$ 40$", r"\$ 40"),
        ("$1$,$2$", "$1$,$2$"),
        ("221,$8", "221,8"),
        ("7", "7"),
    ],
)
def test_dollars_around_one_formula_go(text: str, plain: str) -> None:
    assert one_span(text) == plain


def test_commands_that_begin_with_n_are_no_line_breaks() -> None:
    text = r"$\nu \neq \notin \nabla$\nNow\n2"
    assert real_newlines(text) == "$\\nu \\neq \\notin \\nabla$\nNow\n2"
