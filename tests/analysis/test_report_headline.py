from __future__ import annotations

import json
from pathlib import Path

import pytest
from analysis.made_up_runs import PARAMETERS, draft, grade, solution, target, write_run

from rsd.analysis import analyze
from rsd.analysis.report.headline import Headline, headline
from rsd.records import Session, read_run

N = 60


@pytest.fixture
def made(tmp_path):
    """Makes a run of `N` problems with the first `right` of them right."""

    def make(strategy: str, right: int, n: int = N, name: str = "", **options) -> Path:
        step = target(0, 20, 10) if strategy == "target" else draft(0, True, 20, 5, 18, 6)
        if strategy == "draft":
            step = step.model_copy(update={"score_tokens": 0, "reward": None})
        run = [solution(str(i), [step]) for i in range(n)]
        grades = [grade(str(i), i < right) for i in range(n)]
        return write_run(tmp_path / (name or strategy), run, grades, strategy=strategy, **options)

    return make


def of(*directories: Path) -> Headline:
    return headline([analyze(read_run(directory)) for directory in directories])


def test_the_cheapest_of_those_that_chance_may_explain_is_best(made):
    it = of(made("draft", 20), made("rsd", 57), made("target", 59))
    assert it.claim.startswith("Best for its cost: RSD δ=0.7, 95.0% [86.3, 98.3], for 0.")
    assert it.best is not None
    assert it.best.run.directory.name == "rsd"
    top, gain, slower, *_ = it.evidence
    assert top.startswith("The most accurate, target alone with 98.3%")
    assert "60 problems do not tell the two apart: −3.3" in top
    assert gain.startswith("Against draft alone: +61.7 ")
    assert gain.endswith(
        "p < 0.001; of two equally good methods chance makes so large a difference in fewer than 1 "
        "of 20 comparisons."
    )
    assert "With 2 comparisons" not in " ".join(it.evidence)  # p holds for two as well
    assert slower == "It took as long as the target alone: a median of 10.0 s a problem."
    assert "60 of its 60 responses are the draft's alone, without a step of the target; 95% of" in (
        " ".join(it.evidence)
    )


def test_a_gain_that_several_comparisons_may_owe_to_chance_says_so(made):
    runs = [made("draft", 50), made("rsd", 56), made("draft", 50, name="again")]
    it = of(*runs)
    assert "p = 0.031; of two equally good methods chance makes" in it.evidence[0]
    assert it.evidence[2] == (
        "With 2 comparisons, chance makes at least one look like that in up to 2 of 20 reports."
    )
    assert "comparisons, chance" not in " ".join(of(*runs[:2]).evidence)


def test_a_clear_loss_makes_the_target_best(made):
    it = of(made("draft", 20), made("rsd", 30), made("target", 59))
    assert it.claim == "Best for its cost: target alone, 98.3% [91.1, 99.7]."
    assert it.evidence[0].startswith("Against draft alone: +65.0 ")


def test_a_gain_that_chance_explains_is_no_gain(made):
    it = of(made("draft", 50), made("rsd", 53))
    assert it.claim == "Best for its cost: draft alone, 83.3% [72.0, 90.7]."
    assert "do not tell the two apart: −5.0" in it.evidence[0]
    assert "no proof that they are equal" in it.evidence[0]


def test_an_interval_without_zero_and_a_p_above_the_limit_hardly_tell(made):
    it = of(made("rsd", 55), made("target", 60))
    assert it.claim.startswith("Best for its cost: RSD")
    assert (
        "60 problems hardly tell the two apart: −8.3 [−15.5, −0.6] points, p = 0.062"
        in (it.evidence[0])
    )


def test_many_runs_favour_the_luckiest(made):
    runs = [made("rsd", 40 + i, name=f"rsd-{i}") for i in range(4)]
    assert "picked among 4 runs" in of(*runs).evidence[-1]
    assert "picked among" not in " ".join(of(*runs[:3]).evidence)


def test_few_problems_in_common_choose_nothing(made):
    it = of(made("rsd", 5, n=10), made("target", 9))
    assert it.claim == "Most accurate: RSD δ=0.7, 50.0% [23.7, 76.3]."
    assert it.evidence == (
        "The runs share fewer than 30 graded problems: too few to tell them apart.",
    )


def test_a_baseline_of_other_problems_is_not_held_against_the_best(tmp_path, made):
    def only(directory: Path, first: int, last: int) -> Path:
        for name in ("trajectories.jsonl", "grades.jsonl"):
            lines = (directory / name).read_text().splitlines(keepends=True)
            (directory / name).write_text("".join(lines[first:last]))
        return directory

    best, other = only(made("rsd", 29), 0, 30), only(made("draft", 45), 30, 60)
    it = of(best, made("target", 60), other)  # both share 30 problems with the target alone
    assert it.claim.startswith("Best for its cost: RSD δ=0.7, 96.7%")
    assert "Against" not in " ".join(it.evidence)


def test_costs_are_of_the_same_problems(tmp_path, made):
    """The target alone, on the half with short solutions only, spends less a problem than RSD on
    all; on that half it spends ten times as much."""
    step, alone = draft(0, True, 20, 5, 18, 6), target(0, 20, 10)
    long = step.model_copy(update={"tokens": 1000})
    run = [solution(str(i), [long if i < N // 2 else step]) for i in range(N)]
    short = [solution(str(i), [alone]) for i in range(N // 2, N)]
    rsd = write_run(tmp_path / "rsd", run, [grade(str(i), True) for i in range(N)])
    grades = [grade(str(i), i > N // 2) for i in range(N // 2, N)]
    it = of(rsd, write_run(tmp_path / "target", short, grades, strategy="target"))
    assert it.claim.startswith("Best for its cost: RSD")
    assert "costs more" not in " ".join(it.evidence)


def test_without_parameter_counts_cost_is_unknown(made):
    known = {role: count for role, count in PARAMETERS.items() if role != "prm"}
    it = of(made("rsd", 57, parameters=known), made("target", 57, parameters=known))
    assert it.claim.endswith("Parameter counts are missing, so cost is unknown.")


def test_a_run_in_which_all_failed_hides_no_cost(made):
    broken = made("rsd", 0, name="broken")
    path = broken / "trajectories.jsonl"
    lines = map(json.loads, path.read_text().splitlines())
    failed = [line | {"steps": [], "error": "refused", "stop_reason": "error"} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in failed))
    for right in (57, 2):  # told apart from the broken run, and not
        runs = [made("rsd", right, name=f"rsd-{right}"), made("target", right, name=f"t-{right}")]
        assert of(*runs, broken).claim.startswith("Best for its cost: RSD δ=0.7")


def test_one_run_says_what_it_lacks(made):
    it = of(made("rsd", 57))
    assert it.claim == "RSD δ=0.7 answers 95.0% [86.3, 98.3] of its problems."
    assert it.evidence[0].startswith("It spends 0.")
    assert it.evidence[-1].startswith("Whether that is a gain shows beside runs of each model")


def test_the_target_alone_is_not_compared_with_itself(made):
    assert len(of(made("target", 57)).evidence) == 1


def test_a_slower_run_is_called_slower(tmp_path, made):
    runs = [made("rsd", 60), made("target", 60)]
    path = runs[0] / "trajectories.jsonl"
    path.write_text(path.read_text().replace('"seconds": 10.0', '"seconds": 25.0'))
    same, slower, *_ = of(*runs).evidence
    assert same.endswith("p = 1.000; no difference.")
    assert slower == (
        "It was slower than the target alone: a median of 25.0 s a problem against 10.0 s."
    )


def test_latencies_at_another_load_are_not_compared_without_saying_so(made):
    busy = Session(started_at=0, ended_at=20, concurrency="auto", peak_concurrency=32)
    alone = made("target", 60, sessions=(busy,))
    _, slower, *_ = of(made("rsd", 60), alone).evidence
    assert slower.endswith("of 10.0 s a problem, with 4 in work at a time and 32 in the other run.")


def test_nothing_graded_has_no_figures(made, tmp_path):
    it = of(write_run(tmp_path / "ungraded", [solution("1", [])], []), made("target", 57))
    assert it.claim == "Most accurate: target alone, 95.0% [86.3, 98.3]."
    assert of(tmp_path / "ungraded") == Headline("No problem is graded yet.", ())
