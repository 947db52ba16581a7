"""Warnings of the table about settings that the results show to be off."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from analysis.made_up_runs import draft, solution, target, write_run

from rsd.analysis import analyze, render_table, summarize, write_page
from rsd.analysis.metrics import AnalyzedRun
from rsd.records import StepRecord, read_run
from rsd.types import StopReason


def analyzed(directory: Path, **decoding: Any) -> AnalyzedRun:
    """A run with keys of its section decoding replaced."""
    run = read_run(directory)
    changed = run.config.decoding.model_copy(update=decoding)
    return analyze(replace(run, config=run.config.model_copy(update={"decoding": changed})))


def table(run: AnalyzedRun) -> str:
    return " ".join(render_table([run]).split())


def ended(*reasons: StopReason) -> list[Any]:
    steps = [draft(0, True, 20, 5, 18, 6), draft(1, False, 25, 4, 23, 5), target(1, 25, 6)]
    return [solution(str(i), steps, stop_reason=reason) for i, reason in enumerate(reasons)]


EOS, ERROR = StopReason.EOS, StopReason.ERROR


def test_solutions_that_a_rule_cut_are_said(tmp_path):
    tokens, loop = StopReason.MAX_TOKENS, StopReason.REPETITION
    run = write_run(tmp_path / "r", ended(EOS, EOS, EOS, EOS, EOS, tokens, tokens, loop), [])
    expected = (
        "RSD δ=0.7: 37.5% of solutions were cut off before their end: "
        "25.0% at max_tokens, 12.5% for repeating a step."
    )
    assert expected in table(analyzed(run))
    page = tmp_path / "page.html"
    write_page([analyzed(run)], page)
    assert expected in page.read_text()
    summarize(run)
    metrics = json.loads((run / "metrics.json").read_text())
    shares = {"max_tokens": 0.25, "max_steps": 0, "context": 0, "repetition": 0.125}
    assert metrics["overall"]["cut"] == metrics["tasks"]["demo"]["cut"] == shares


def test_one_solution_in_a_hundred_may_be_cut(tmp_path):
    one, two = [EOS] * 99 + [StopReason.CONTEXT], [EOS] * 98 + [StopReason.MAX_STEPS] * 2
    assert "were cut off" not in table(analyzed(write_run(tmp_path / "one", ended(*one), [])))
    text = table(analyzed(write_run(tmp_path / "two", ended(*two), [])))
    assert "2.0% of solutions were cut off before their end: 2.0% at max_steps." in text


def test_failed_solutions_are_not_cut_ones(tmp_path):
    run = analyzed(write_run(tmp_path / "r", ended(ERROR, ERROR, EOS, StopReason.CONTEXT), []))
    assert run.metrics.overall.cut[StopReason.CONTEXT] == 0.5
    assert analyzed(write_run(tmp_path / "none", ended(ERROR), [])).metrics.overall.cut == {}


KEPT, REJECTED = "all draft steps were accepted.", "all draft steps were rejected."


def judged(*kept: bool) -> list[StepRecord]:
    """Draft steps of reward 0.9 where they are kept and 0.25 where not."""
    steps = []
    for index, it in enumerate(kept):
        steps += [draft(index, it, 20, 5, 18, 6), *([] if it else [target(index, 20, 5)])]
    return steps


@pytest.mark.parametrize("strategy", ["rsd", "oracle"])
def test_a_threshold_outside_the_rewards_is_said(strategy, tmp_path):
    steps = judged(False, False)
    steps[0] = steps[0].model_copy(update={"reward": 0.98})
    rejected = write_run(tmp_path / "r", [solution("1", steps)], [])
    text = table(analyzed(rejected, strategy=strategy, threshold=7))
    assert f"threshold 7 is above every reward seen (0.25 to 0.98): {REJECTED}" in text
    kept = write_run(tmp_path / "k", [solution("1", judged(True, True))], [])
    text = table(analyzed(kept, strategy=strategy, threshold=0.1))
    assert f"threshold 0.1 is below every reward seen (0.9 to 0.9): {KEPT}" in text


def test_a_confidence_threshold_is_held_against_mean_log_probabilities(tmp_path):
    steps = [step.model_copy(update={"logprob": -2.0}) for step in judged(True, True)]
    run = write_run(tmp_path / "r", [solution("1", steps)], [])
    text = table(analyzed(run, strategy="confidence", threshold=-3.0))
    assert f"below every mean log-probability seen (-0.4 to -0.4): {KEPT}" in text


def test_a_guided_threshold_is_held_against_tilted_rewards(tmp_path):
    update = {"logprob": -1.0, "likelihood": -5.0}
    steps = [step.model_copy(update=update) for step in judged(False, False)]
    run = write_run(tmp_path / "r", [solution("1", steps)], [])
    text = table(analyzed(run, strategy="guided", threshold=0.2, tilt=10.0))
    assert f"threshold 0.2 is above every reward seen (-0.15 to -0.15): {REJECTED}" in text


@pytest.mark.parametrize(
    ("kept", "decoding"),
    [
        (True, {"strategy": "random", "probability": 0.9}),
        (True, {"weighting": "constant", "probability": 0.9}),
        (False, {"weighting": "sigmoidal"}),
        (False, {"weighting": "logistic", "threshold": 5.0}),
    ],
)
def test_all_verdicts_alike_are_said_without_a_threshold_too(kept, decoding, tmp_path):
    run = write_run(tmp_path / "r", [solution("1", judged(kept, kept))], [])
    text = table(analyzed(run, **decoding))
    assert f": {KEPT if kept else REJECTED}" in text
    assert "seen" not in text


@pytest.mark.parametrize(
    "decoding",
    [
        {"threshold": -math.inf},
        {"strategy": "random", "probability": 1.0},
        {"weighting": "constant", "probability": 1.0},
        {"strategy": "draft"},
        {"strategy": "best_of_n"},
        {"strategy": "my_package:Strategy"},
    ],
)
def test_one_verdict_on_purpose_is_not_remarked_on(decoding, tmp_path):
    run = write_run(tmp_path / "r", [solution("1", judged(True, True))], [])
    assert "all draft steps" not in table(analyzed(run, **decoding))


def test_verdicts_of_both_kinds_are_not_remarked_on(tmp_path):
    run = write_run(tmp_path / "r", [solution("1", judged(True, False))], [])
    assert "all draft steps" not in table(analyzed(run))
