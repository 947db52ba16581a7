"""What a run tells about other thresholds, held against runs at them."""

from __future__ import annotations

from math import inf

import pytest
from analysis.reward_world import World, drafts, run_of, step
from hypothesis import given
from hypothesis import strategies as st

from rsd.analysis.calibration import calibrate
from rsd.analysis.calibration.checks import differences
from rsd.analysis.calibration.recorded import read_rewards
from rsd.analysis.calibration.replay import replay, unchanged
from rsd.analysis.calibration.table import render_calibration
from rsd.analysis.metrics import analyze
from rsd.records import RunRecord

THRESHOLDS = st.sampled_from([-inf, 0.0, 0.25, 0.4, 0.5, 0.65, 0.9, 1.0, inf])


def accuracy(run: RunRecord) -> float:
    return sum(bool(grade.correct) for grade in run.grades.values()) / len(run.grades)


@given(st.integers(0, 500), THRESHOLDS, st.booleans())
def test_at_its_own_threshold_a_run_is_predicted_exactly(seed, threshold, oracle):
    run = World(seed).run(threshold, oracle)
    found, metrics = replay(read_rewards(run), threshold), analyze(run).metrics.overall
    assert found.unchanged == found.solutions == metrics.n
    assert found.accuracy_least == found.accuracy_most == metrics.accuracy
    assert found.ci95 == pytest.approx(metrics.ci95)
    assert found.target_share == pytest.approx(metrics.target_step_share)


@given(st.integers(0, 500), THRESHOLDS, THRESHOLDS, st.booleans())
def test_the_bounds_hold_and_what_is_unchanged_is_the_same(seed, own, other, oracle):
    world = World(seed)
    run, real = world.run(own, oracle), world.run(other)
    rewards = read_rewards(run)
    found = replay(rewards, other)
    assert found.accuracy_least <= accuracy(real) <= found.accuracy_most
    for key, same in zip(rewards.keys, unchanged(rewards, other), strict=True):
        if same:
            assert run.trajectories[key].response == real.trajectories[key].response


def test_oracle_runs_leave_less_unknown():
    world = World(problems=200, agreement=0.8)
    rsd = replay(read_rewards(world.run(0.5)), 0.7)
    oracle = replay(read_rewards(world.run(0.5, oracle=True)), 0.7)
    assert oracle.unchanged > rsd.unchanged


def test_bounds_by_hand():
    its = [
        drafts("1", 0.9, 0.8),  # unchanged up to 0.8
        drafts("2", 0.75, 0.9, 0.95, 0.9),  # changes at its first step
        drafts("3", 0.9, 0.72, 0.1),  # changes at its second step of three
    ]
    found = replay(read_rewards(run_of(its, [True, True, False])), 0.8)
    assert found.unchanged == 1
    assert found.accuracy_unchanged == 1
    assert (found.accuracy_least, found.accuracy_most) == (pytest.approx(1 / 3), 1)
    assert found.target_share == pytest.approx(3 / 9)


@pytest.mark.parametrize(("last", "unchanged"), [(False, 1), (True, 0)])
def test_a_step_that_both_models_wrote_changes_nothing_but_at_the_end(last, unchanged):
    """At the end one of them may have ended its answer, and the other gone on."""
    steps = [
        step(0, "draft", "same", False, 0.5),
        step(0, "target", "same", True),
        *([] if last else [step(1, "draft", "more", True, 0.9)]),
    ]
    it = drafts("1", 0.9).model_copy(update={"steps": tuple(steps)})
    assert replay(read_rewards(run_of([it], [True])), 0.4).unchanged == unchanged


def test_failed_and_ungradable_solutions_do_not_count():
    its = [
        drafts("1", 0.9),
        drafts("2", 0.9, stop_reason="error", error="server lost"),
        drafts("3", 0.9),
    ]
    found = replay(read_rewards(run_of(its, [True, True, None])), 0.7)
    assert (found.solutions, found.accuracy_least, found.accuracy_most) == (1, 1.0, 1.0)


def test_samples_of_one_problem_widen_the_interval():
    def at(samples: int) -> tuple[float, float]:
        its = [drafts(str(i // samples), 0.9, sample=i % samples) for i in range(40)]
        rights: list[bool | None] = [i // samples % 2 == 0 for i in range(40)]
        run = run_of(its, rights, samples=samples, temperature=0.7)
        found = replay(read_rewards(run), 0.7).ci95
        assert found is not None
        return found

    assert at(4)[1] - at(4)[0] > 1.5 * (at(1)[1] - at(1)[0])


def test_predictions_are_checked_against_runs_at_other_thresholds():
    world = World(problems=40)
    others = (world.run(0.7), world.run(-inf), world.run(0.3, oracle=True))
    found = calibrate(world.run(0.5), others=others)
    assert [made.threshold for made in found.checks] == [-inf, 0.3, 0.7]
    for made, other in zip(found.checks, (others[1], others[2], others[0]), strict=True):
        assert made.accuracy == accuracy(other)
        assert made.target_share == pytest.approx(analyze(other).metrics.overall.target_step_share)
        assert made.same_response == made.same_verdict == made.unchanged
    assert found.not_checked == {}


def test_failed_solutions_of_either_run_check_nothing_and_are_told():
    lost = {"stop_reason": "error", "error": "server lost"}
    ours = [drafts("1", 0.9), drafts("2", 0.9, **lost), drafts("3", 0.9)]
    theirs = [drafts("1", 0.9), drafts("2", 0.9), drafts("3", **lost)]
    run, other = (run_of(its, [True] * 3, at) for its, at in ((ours, 0.7), (theirs, 0.8)))
    found = calibrate(run, others=(other,))
    (made,) = found.checks
    assert (made.solutions, made.failed) == (1, 2)
    assert (made.unchanged, made.same_response, made.same_verdict) == (1, 1, 1)
    assert made.accuracy == made.accuracy_least == 1
    text = " ".join(render_calibration(found).split())
    assert "Solutions left out as they failed in one of the two runs: 2 (δ=0.8)." in text


def test_runs_that_differ_in_more_are_left_out_with_the_reason():
    world = World()
    run, other = world.run(0.5), world.run(0.6)
    warm = run_of(list(other.trajectories.values()), [True] * 12, 0.6, max_tokens=64)
    coin = run_of([], [], strategy="random")
    smooth = run_of([], [], weighting="logistic")
    found = calibrate(run, others=(warm, coin, smooth))
    assert found.checks == []
    assert sorted(found.not_checked.values()) == [
        ["decoding.max_tokens"],
        ["decoding.strategy"],
        ["decoding.weighting"],
    ]


def test_each_model_alone_is_the_end_of_the_scale():
    world = World(problems=40)
    ends = {"draft": world.run(-inf), "target": world.run(inf)}
    alone = tuple(
        run_of(list(it.trajectories.values()), [g.correct for g in it.grades.values()],
               strategy=name)
        for name, it in ends.items()
    )  # fmt: skip
    found = calibrate(world.run(0.5), others=alone)
    assert found.not_checked == {}
    for made, end in zip(found.checks, ends.values(), strict=True):
        assert made.accuracy == accuracy(end)
        assert made.same_response == made.unchanged
    assert [(it.threshold, it.target_share) for it in found.checks] == [(-inf, 0), (inf, 1)]
    assert [it.predicted_target_share for it in found.checks] == [0, 1]


def test_a_model_alone_is_compared_by_what_it_samples_with():
    run = run_of(
        *([], []),
        min_p=0.1,
        temperature=1,
        sampling={"draft": {"top_k": 5}, "target": {"top_k": 9}},
    )
    both = {"min_p": 0.1, "temperature": 1}
    target = run_of([], [], strategy="target", sampling={"target": {"top_k": 9}}, **both)
    draft = run_of([], [], strategy="draft", sampling={"draft": {"top_k": 9}}, **both)
    plain = run_of([], [], strategy="target", temperature=1)
    assert differences(run, target) == []
    assert differences(run, draft) == ["decoding.sampling.draft.top_k"]
    assert differences(run, plain) == ["decoding.min_p", "decoding.sampling.target.top_k"]


def test_a_run_over_other_problems_measures_nothing():
    run = run_of([drafts("1", 0.9, 0.2), drafts("2", 0.9)], [True, True])
    other = run_of([drafts("3", 0.2), drafts("4", 0.9)], [True, True], threshold=0.8)
    alone = run_of([drafts("3", 0.9)], [True], threshold=inf, strategy="target")
    found = calibrate(run, others=(other, alone))
    assert [it.solutions for it in found.checks] == [0, 0]
    assert all(it.predicted_target_share is it.target_share is None for it in found.checks)
