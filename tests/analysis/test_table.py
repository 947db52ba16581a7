from __future__ import annotations

import pytest
from analysis.made_up_runs import draft, grade, solution, target, three_solutions, write_run

from rsd.analysis import analyze, render_table
from rsd.analysis.tables.accuracy import per_task
from rsd.analysis.tables.cells import figure, operations, p_value, points
from rsd.analysis.tables.text import WIDTH
from rsd.records import read_run
from rsd.types import StopReason, Usage


def table(*directories):
    return render_table([analyze(read_run(directory)) for directory in directories])


def row(text: str, *needles: str) -> str:
    return next(line for line in text.splitlines() if all(n in line for n in needles))


def squeezed(line: str) -> str:
    return " ".join(line.split())


def test_one_run_is_set_against_its_own_reference(rsd_run):
    text = table(rsd_run)
    line = squeezed(row(text, "made-up-rsd", "["))
    assert line == "made-up-rsd RSD δ=0.7 3 66.7 [20.8, 93.9] 50% 50% 0.98* 1.09*"
    assert "* Relative to the target writing the same" in text
    assert "Differences" not in text


def test_runs_are_set_against_the_target_run(rsd_run, target_run):
    text = table(rsd_run, target_run)
    assert row(text, "made-up-rsd", "[").split()[-2:] == ["0.93", "1.02"]  # 18500, 20420 / 20000
    assert row(text, "made-up-target", "[").split()[-3:] == ["-", "1.00", "1.00"]
    assert "*" not in text
    difference = squeezed(row(text, "RSD δ=0.7 − target alone"))
    assert difference.endswith("target alone −33.3 [−94.5, +54.5] 0 / 1 0.497 3 0")


def test_the_target_alone_says_what_a_problem_costs(rsd_run, target_run):
    text = squeezed(table(rsd_run, target_run))
    assert "at every step. 1.00 is 6,667 FLOPs per problem." in text  # 20000 / 3
    assert "1.00 is" not in table(rsd_run)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(950.0, "950 FLOPs"), (1.954e9, "1.95 GFLOPs"), (1.53e13, "15.3 TFLOPs")],
)
def test_operations_have_a_unit_of_their_size(value, shown):
    assert operations(value) == shown


def test_tokens_and_speed_are_means_of_finished_problems(rsd_run):
    numbers = table(rsd_run).split("Tokens per problem")[1]
    # 23 / 3, 21 / 3, 83 / 3; 3 problems and 34 tokens in 20 s; latencies 2, 6 and 10 s.
    cells = row(numbers, "made-up-rsd").split()[3:]
    assert cells == ["8", "7", "28", "0.15", "1.70", "6.00", "9.60"]


def test_samples_of_a_problem_are_figures_of_their_own(tmp_path):
    """Two problems of two samples of five tokens: five a sample, not ten a problem."""
    step = draft(0, True, 20, 5, 18, 6)
    run = [solution(str(i), [step], sample=sample) for i in range(2) for sample in range(2)]
    text = table(write_run(tmp_path / "r", run, [], samples=2))
    numbers = text.split("Tokens per problem")[1]
    assert row(numbers, "RSD").split()[3] == "5"
    note = "With several samples per problem, each sample counts as a problem here."
    assert note in squeezed(numbers)
    assert note not in squeezed(table(write_run(tmp_path / "single", run[::2], [])))


def test_what_the_target_wrote_counts_also_where_it_was_not_kept(tmp_path):
    """As the oracle's at steps that the draft keeps, and the samples that lost a vote."""
    lost = target(0, 20, 9).model_copy(update={"accepted": False})
    run = [solution("1", [draft(0, True, 20, 5, 18, 6), lost, target(1, 25, 6)])]
    numbers = table(write_run(tmp_path / "r", run, [])).split("Tokens per problem")[1]
    assert row(numbers, "RSD").split()[3:5] == ["5", "15"]


def test_discarded_draft_tokens_have_a_column_if_there_are_any(tmp_path):
    first, *others = three_solutions()
    kept, rejected, *rest = first.steps
    steps = (kept, rejected.model_copy(update={"wasted_tokens": 9}), *rest)
    usage = first.usage | {"draft": Usage(requests=3, completion_tokens=12, wasted_tokens=9)}
    ahead = first.model_copy(update={"steps": steps, "usage": usage})
    numbers = table(write_run(tmp_path / "r", [ahead, *others], [])).split("Tokens per problem")[1]
    assert row(numbers, "RSD").split()[3:7] == ["8", "3", "7", "28"]
    assert "Draft tokens discarded: drafted ahead and never used." in numbers


def test_the_table_says_which_tokens_no_count_holds(rsd_run):
    numbers = squeezed(table(rsd_run).split("Tokens per problem")[1])
    assert (
        "Not counted, because servers do not report them: tokens of requests that were cancelled, "
        "interrupted or retried, or whose answers were unusable." in numbers
    )


def test_what_the_oracle_knows_in_hindsight_is_said(tmp_path, rsd_run):
    def both(index, kept, better):
        reward = 0.9 if better else 0.2
        other = target(index, 20, 9).model_copy(update={"reward": reward, "accepted": not kept})
        return [draft(index, kept, 20, 5, 18, 6), other]

    places = [(True, True), (True, False), (True, False), (True, False), (False, False)]
    steps = [step for i, place in enumerate(places) for step in both(i, *place)]
    steps[1] = steps[1].model_copy(update={"reward": 0.95})  # the kept draft's has 0.9
    text = table(write_run(tmp_path / "r", [solution("1", steps)], []))
    assert (
        "RSD δ=0.7: by the rewards of both models' steps, 25% of the accepted draft steps were "
        "worse than the target's and 100% of the target's steps were no better than the draft's."
    ) in squeezed(text)
    assert "of both models' steps" not in squeezed(table(rsd_run))


def test_what_was_left_out_is_said(tmp_path):
    broken = solution("4", [], stop_reason=StopReason.ERROR, error="down")
    grades = [grade("1", True), grade("2", None)]
    text = table(write_run(tmp_path / "r", [*three_solutions(), broken], grades))
    assert (
        "RSD δ=0.7 (1 failed): 1 failed (counted as wrong unless ungradable; "
        "accuracy without them 100.0%), 1 with an ungradable gold answer (excluded), 1 not graded "
        "(excluded; run rsd grade)."
    ) in squeezed(text)


def test_a_failed_problem_that_is_left_out_is_not_called_wrong(tmp_path):
    broken = solution("4", [], stop_reason=StopReason.ERROR, error="down")
    grades = [*(grade(i, True) for i in "123"), grade("4", None)]
    run = analyze(read_run(write_run(tmp_path / "r", [*three_solutions(), broken], grades)))
    assert run.metrics.overall.accuracy == 1
    text = squeezed(render_table([run]))
    assert "1 failed (counted as wrong unless ungradable; accuracy without them 100.0%)" in text


def test_several_tasks_have_a_table_with_their_average(tmp_path):
    tasks = tuple(f"task{i}" for i in range(8))
    solutions = [solution("1", [target(0, 20, 5)], task=task) for task in tasks]
    grades = [grade("1", task in ("task0", "task7"), task=task) for task in tasks]
    text = table(write_run(tmp_path / "r", solutions, grades, strategy="target", tasks=tasks))
    last = text.split("Accuracy by task, continued")[1]
    assert row(last, "target alone").split() == ["target", "alone", "0.0%", "100.0%", "25.0%"]


def test_averages_over_other_tasks_do_not_stand_in_one_column(tmp_path):
    """One run has not begun the second task: its average would be that of the first alone."""

    def run(name: str, *tasks: str):
        its = [solution("1", [target(0, 20, 5)], task=task) for task in tasks]
        grades = [grade("1", task == "easy", task=task) for task in tasks]
        directory = write_run(tmp_path / name, its, grades, strategy="target", tasks=tasks)
        return analyze(read_run(directory))

    runs = [run("whole-0000000001", "easy", "hard"), run("begun-0000000002", "easy")]
    text = render_table(runs).split("Accuracy by task")[1]
    assert row(text, "0000000001").split()[-3:] == ["100.0%", "0.0%", "50.0%"]
    assert row(text, "0000000002").split()[-3:] == ["100.0%", "-", "-"]
    (average,) = (cells for cells in per_task(runs).rows if cells[0] == "average")
    assert average[2] == "2 tasks"


def test_long_names_are_cut_to_the_width_but_keep_their_ends(tmp_path):
    grades = [grade("1", True)]
    name = "a-very-long-name-of-an-experiment-" * 3
    first = write_run(tmp_path / f"{name}0123456789", three_solutions(), grades)
    second = write_run(tmp_path / f"{name}abcdefabcd", three_solutions(), grades)
    text = table(first, second)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.count("…0123456789  RSD δ=0.7") == 2
    assert text.count("…abcdefabcd  RSD δ=0.7") == 2
    assert "RSD δ=0.7 (abcdefabcd) − RSD δ=0.7 (0123456789)" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0123, "0.012"), (1.5, "1.50"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_figures_have_about_three_digits(value, text):
    assert figure(value) == text


def test_differences_are_signed_and_zero_is_not():
    assert points(0.005, (-0.02, 0.0004)) == "+0.5 [−2.0, 0.0]"
    assert p_value(0.0004) == "<0.001"
