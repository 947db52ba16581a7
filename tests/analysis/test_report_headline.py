from __future__ import annotations

import json
from pathlib import Path

import pytest
from analysis.made_up_runs import PARAMETERS, draft, grade, solution, target, write_run

from rsd.analysis import analyze
from rsd.analysis.report.headline import Headline, headline
from rsd.records import Session, read_run

N = 60
TINY = PARAMETERS | {"draft": 1}


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


def test_the_cheapest_that_is_as_good_is_best(made):
    same = [made(name, right, n=400) for name, right in (("rsd", 396), ("target", 396))]
    it = of(made("draft", 100, n=400, name="weak"), *same)
    assert it.claim.startswith("Best for its cost: RSD δ=0.7, 99.0% [97.5, 99.6], for 0.")
    assert it.best is not None
    assert it.best.run.directory.name == "rsd"
    worse, gain, _, slower, *_ = it.evidence
    assert worse.startswith("Cheaper but worse: draft alone, with ")
    assert ": −74.0 [" in worse
    assert gain.startswith("Against draft alone: +74.0 ")
    assert slower == "It is as fast as the target alone: a median of 10.0 s per problem."


def test_a_cheaper_run_that_is_as_good_within_the_margin_says_so(made):
    it = of(made("rsd", 995, n=1000), made("target", 997, n=1000))
    assert it.claim.startswith("Best for its cost: RSD")
    assert it.evidence[0].startswith("It is as good as the most accurate, target alone with 99.7%")
    assert "within 2 points: −0.2 [" in it.evidence[0]


def test_too_few_problems_crown_nobody(tmp_path, made):
    """60% against 80% of 30 problems once made the draft the best for its cost, as p was 0.109."""
    run = [solution(str(i), [draft(0, True, 20, 5, 18, 6)]) for i in range(30)]
    grades = [grade(str(i), i >= 12) for i in range(30)]
    weak = write_run(tmp_path / "weak", run, grades, strategy="rsd")
    it = of(weak, made("target", 24, n=30))
    assert it.claim == (
        "Most accurate: target alone, 80.0% [62.7, 90.5]. There are too few problems to tell "
        "whether RSD δ=0.7, which costs less, is as good."
    )
    assert it.evidence[0].startswith("Cheaper but undecided: RSD δ=0.7, with 0.")
    assert ": −20.0 [" in it.evidence[0]
    assert "on 30 problems, so it may be as good within 2 points or worse." in it.evidence[0]
    # (1.95996 + 0.84162)^2 = 7.8489 times a variance of 0.55859 over the 0.2 that they differ by.
    assert it.evidence[0].endswith(
        "about 110 problems would show, with a chance of 80%, that it is worse."
    )


def test_a_still_cheaper_run_that_is_undecided_stands_in_the_claim(tmp_path, made):
    alone = [draft(0, True, 20, 5, 18, 6).model_copy(update={"score_tokens": 0, "reward": None})]
    run = [solution(str(i), alone) for i in range(200)]
    grades = [grade(str(i), i != 0) for i in range(200)]
    cheap = write_run(tmp_path / "cheap", run, grades, strategy="draft")
    lost = [grade(str(i), i not in (0, 1, 2)) for i in range(200)]
    cheaper = write_run(tmp_path / "cheaper", run, lost, strategy="draft", parameters=TINY)
    it = of(cheaper, cheap, made("target", 200, n=200))
    assert it.claim.startswith("Best for its cost: draft alone")
    assert "There are too few problems to tell whether draft alone" in it.claim
    assert it.best is not None
    assert it.best.run.directory.name == "cheap"


def test_a_clear_loss_makes_the_target_best(made):
    it = of(made("draft", 20), made("rsd", 30), made("target", 59))
    assert it.claim == "Best for its cost: target alone, 98.3% [91.1, 99.7]."
    assert it.evidence[0].startswith("Cheaper but worse: RSD δ=0.7, with 0.")
    assert ": −48.3 " in it.evidence[0]
    assert it.evidence[1].startswith("Against draft alone: +65.0 ")


def test_many_runs_favour_the_luckiest(made):
    runs = [made("rsd", 40 + i, name=f"rsd-{i}") for i in range(4)]
    assert "chosen among 4 runs" in of(*runs).evidence[-1]
    assert "chosen among" not in " ".join(of(*runs[:3]).evidence)


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

    best = only(made("rsd", 199, n=400), 0, 200)
    other = only(made("draft", 300, n=400), 200, 400)
    it = of(best, made("target", 400, n=400), other)  # both share 200 problems with the target
    assert it.claim.startswith("Best for its cost: RSD δ=0.7, 99.5%")
    assert "Against draft" not in " ".join(it.evidence)


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
    assert it.claim == "RSD δ=0.7 solves 95.0% [86.3, 98.3] of its problems."
    assert it.evidence[0].startswith("It spends 0.")
    assert it.evidence[-1].startswith("To see whether that is a gain, compare it with runs of each")


def test_the_target_alone_is_not_compared_with_itself(made):
    assert len(of(made("target", 57)).evidence) == 1


def test_a_slower_run_is_called_slower(tmp_path, made):
    runs = [made("rsd", 60), made("target", 60)]
    path = runs[0] / "trajectories.jsonl"
    path.write_text(path.read_text().replace('"seconds": 10.0', '"seconds": 25.0'))
    same, slower, *_ = of(*runs).evidence
    assert same.endswith("p = 1.000; not statistically significant.")
    assert slower == (
        "It is slower than the target alone: a median of 25.0 s per problem against 10.0 s."
    )


def test_latencies_at_another_load_are_not_compared_without_saying_so(made):
    busy = Session(started_at=0, ended_at=20, concurrency="auto", peak_concurrency=32)
    alone = made("target", 60, sessions=(busy,))
    _, slower, *_ = of(made("rsd", 60), alone).evidence
    assert slower.endswith("of 10.0 s per problem, with 4 problems in flight against 32.")


def test_nothing_graded_has_no_figures(made, tmp_path):
    it = of(write_run(tmp_path / "ungraded", [solution("1", [])], []), made("target", 57))
    assert it.claim == "Most accurate: target alone, 95.0% [86.3, 98.3]."
    assert of(tmp_path / "ungraded") == Headline("No problem is graded yet.", ())
