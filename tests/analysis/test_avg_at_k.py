"""avg@k as the tables, the headline and the comparison of two runs show it."""

from __future__ import annotations

import pytest
from analysis.made_up_runs import run_of

from rsd.analysis import analyze, render_page, render_table
from rsd.analysis.compare import compare
from rsd.analysis.report.headline import headline
from rsd.analysis.tables.accuracy import per_task
from rsd.analysis.tables.samples import by_samples
from rsd.records import read_run

COIN = {str(i): [(j < i, j % 2, ()) for j in range(4)] for i in range(5)}
"""i of the 4 samples of problem i are right: avg@4 is 1/2, and pass@4 4/5."""


def test_problems_count_alike_however_many_of_their_samples_are_there(tmp_path):
    """A run that is not finished: 2 of 2 right and 0 of 1 are a half, not two thirds."""
    samples = {"1": [(True, 0, ()), (True, 0, ())], "2": [(False, 0, ())]}
    overall = analyze(read_run(run_of(tmp_path / "r", samples, n=4))).metrics.overall
    assert overall.accuracy == overall.accuracy_paper == overall.accuracy_without_errors == 0.5
    assert overall.ci95[0] < 0.5 < overall.ci95[1]
    assert (overall.n, overall.problems) == (3, 2)
    single = {"1": [(True, 0, ())], "2": [(False, 0, ())]}
    one = analyze(read_run(run_of(tmp_path / "one", single))).metrics.overall
    assert (one.accuracy, one.n, one.problems) == (0.5, 2, 2)


def test_table_and_page_show_powers_of_two_and_n(tmp_path):
    many = {str(i): [(j < i, j % 3, (j / 10,)) for j in range(6)] for i in range(5)}
    run = analyze(read_run(run_of(tmp_path / "r", many)))
    text = render_table([run])
    block = text.split("What k of the samples achieve")[1].split("Tokens per problem")[0]
    rows = [line.split() for line in block.splitlines() if line.startswith("RSD")]
    assert [row[2] for row in rows] == ["1", "2", "4", "6"]
    assert max(map(len, text.splitlines())) <= 110
    assert "Several samples of a problem" in render_page([run])
    single = analyze(read_run(run_of(tmp_path / "s", {"1": [(True, None, ())]})))
    assert "samples" not in render_table([single])


def test_the_first_table_is_of_avg_at_k_and_problems_are_told_from_samples(tmp_path):
    run = analyze(read_run(run_of(tmp_path / "r", COIN)))
    first, *_ = render_table([run]).split("\n\n")
    assert "avg@4 %" in first
    assert "accuracy %" not in first
    assert "  5 × 4  50.0 [" in first
    assert "avg@4 is the mean accuracy over 4 samples of each problem." in first
    (task,) = (row for row in per_task([run]).rows if row[0] == "demo")
    assert task[2] == "5 × 4"


def test_pass_and_majority_stand_beside_avg_at_k(tmp_path):
    samples = analyze(read_run(run_of(tmp_path / "r", COIN))).metrics.overall.samples
    (row,) = by_samples([analyze(read_run(tmp_path / "r"))])[0].rows
    assert row[:4] == ("RSD δ=0.7", "demo", "5", "4")
    assert [cell.partition(" ")[0] for cell in row[4:6]] == ["50.0", "80.0"]
    assert row[6].startswith(f"{100 * samples.maj_at_k[-1].value:.1f} [")


def test_without_rewards_there_is_no_column_of_best_of_k(tmp_path):
    _, fewer = by_samples([analyze(read_run(run_of(tmp_path / "r", COIN)))])
    assert [it.heading.partition("@")[0] for it in fewer.columns] == [
        "strategy",
        "k",
        "pass",
        "maj",
    ]
    assert fewer.notes == ("Means over all choices of k samples.",)


def test_runs_of_other_numbers_of_samples_are_named(tmp_path):
    one = {problem_id: its[:1] for problem_id, its in COIN.items()}
    runs = [run_of(tmp_path / "r", COIN), run_of(tmp_path / "one-0000000001", one)]
    first, *_ = render_table([analyze(read_run(run)) for run in runs]).split("\n\n")
    assert "accuracy %" in first
    assert "RSD δ=0.7 (r): avg@4 is the mean accuracy over 4 samples" in first


def test_an_unfinished_run_says_how_many_of_its_samples_are_there(tmp_path):
    run = analyze(read_run(run_of(tmp_path / "r", COIN | {"5": [(True, 0, ())]}, n=4)))
    assert "  21 of 6 × 4  " in render_table([run])


def test_the_headline_is_avg_at_k_with_the_others_beside_it(tmp_path):
    it = headline([analyze(read_run(run_of(tmp_path / "r", COIN)))])
    assert it.claim.startswith("RSD δ=0.7 solves 50.0% [")
    assert it.claim.endswith("] (avg@4) of its problems.")
    assert it.evidence[0].startswith(
        "avg@4 is the mean accuracy over 4 samples of each problem, with an interval clustered by "
        "problem. For 80.0% ["
    )
    assert "] of the 5 problems at least one sample is right (pass@4), for " in it.evidence[0]
    assert it.evidence[0].endswith("] their most frequent answer (maj@4).")


def test_the_headline_of_few_problems_explains_avg_at_k_too(tmp_path):
    runs = [analyze(read_run(run_of(tmp_path / name, COIN))) for name in ("a", "b")]
    assert "(pass@4)" in headline(runs).evidence[1]


def test_two_sampled_runs_are_compared_by_problem(tmp_path):
    """Samples taken as pairs would be 40, and told apart at p < 0.001."""
    first = {str(i): [(i < 6, 0, ())] * 4 for i in range(10)}
    second = {str(i): [(i < 3, 0, ())] * 4 for i in range(10)}
    runs = [run_of(tmp_path / "a", first), run_of(tmp_path / "b", second)]
    it = compare(*(analyze(read_run(run)) for run in runs))
    assert (it.pairs, it.first_better, it.difference) == (10, 3, pytest.approx(0.3))
    assert it.p_value > 0.05
    assert it.ci95[0] < 0
