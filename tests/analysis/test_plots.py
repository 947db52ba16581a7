"""The pictures: valid files that need nothing else, whatever runs are called."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from math import inf
from xml.etree import ElementTree

import pytest
from analysis.reward_world import World, drafts, run_of

from rsd.analysis import plots as plots_module
from rsd.analysis.metrics import AnalyzedRun, analyze
from rsd.analysis.plots import NAMES, Plot, missing, plots
from rsd.analysis.statistics.comparisons import pareto_front

pytest.importorskip("matplotlib", reason="plots need matplotlib")

from rsd.analysis.plots import cost, style
from rsd.analysis.plots.draft_alone import draft_alone
from rsd.analysis.plots.latency import latency
from rsd.analysis.plots.sweep import threshold, thresholds
from rsd.analysis.plots.tokens import tokens


def written(draw: Callable[..., style.Drawn | None], runs: list[AnalyzedRun]) -> str:
    with style.style():
        made = draw(runs)
        assert made is not None
        return style.svg(made.figure, "name", made.caption)


SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def sweep() -> list[AnalyzedRun]:
    """Four thresholds; the last run has a failed and an ungraded solution."""
    world = World(problems=20)
    odd = world.run(0.8)
    its = list(odd.trajectories.values())
    its[0] = its[0].model_copy(update={"error": "lost", "stop_reason": "error", "level": "5"})
    runs = [
        *(world.run(delta) for delta in (-inf, 0.3, 0.6)),
        run_of(its, [None, *[True] * 19], 0.8),
    ]
    return [analyze(run) for run in runs]


@pytest.fixture(scope="module")
def drawn(sweep) -> list[Plot]:
    return plots(sweep)


def test_a_sweep_has_every_picture_in_order(drawn):
    assert [plot.name for plot in drawn] == list(NAMES)
    for plot in drawn:
        assert plot.title
        assert re.search(r"\b(n in the legend|20 problems|(19 to )?20 finished)", plot.caption)
        assert "interval" in plot.caption


def test_png_is_drawn_when_it_is_asked_for(drawn):
    assert drawn[-1].png.startswith(b"\x89PNG\r\n\x1a\n")


def test_svg_is_well_formed_small_and_needs_nothing_else(drawn):
    for plot in drawn:
        root = ElementTree.fromstring(plot.svg)
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        assert root.get("aria-label") == f"{plot.title}. {plot.caption}"
        assert "height" not in root.attrib
        assert {it.tag.removeprefix(SVG) for it in root.iter()} <= {
            "svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect", "pattern",
        }  # fmt: skip
        assert set(re.findall(r'https?://[^" ]*', plot.svg)) == {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
        assert len(plot.svg) < 150_000


def test_ids_are_unique_across_the_pictures_of_a_page_and_references_resolve(drawn):
    page = "".join(plot.svg for plot in drawn)
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^")]*)', page)) <= set(ids)


def test_ink_is_that_of_the_page(drawn):
    for plot in drawn:
        assert "currentColor" in plot.svg
        assert not re.search(r"#(000000|ffffff|fff|000)\b", plot.svg)


def test_no_label_is_mathematics_that_is_not_typeset(drawn):
    assert not any("mathdefault" in plot.svg for plot in drawn)


def test_the_same_runs_give_the_same_picture(sweep):
    first, second = (written(latency, sweep) for _ in range(2))
    assert first == second


def test_names_are_text_not_markup_and_not_mathematics():
    level = "<script>$x_1$\x00&"
    run = run_of([drafts("1", 0.9, level=level)], [True])
    svg = written(draft_alone, [analyze(run)])
    assert "<script" not in svg
    texts = ["".join(it.itertext()) for it in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "<script>$x_1$…" in texts  # of level names there is room for 14 characters


def test_a_picture_without_data_is_left_out():
    alone = analyze(run_of([drafts("1")], [True], strategy="draft"))
    drawn = {plot.name for plot in plots([alone])}
    assert drawn == {"accuracy-flops", "accuracy-latency"}
    assert plots([analyze(run_of([], []))]) == []


def test_many_runs_are_thinned_where_each_has_a_line_and_it_is_said(sweep):
    for draw in (latency, draft_alone):
        made = draw(sweep * 3)
        assert made is not None
        assert "6 of 12 runs are shown" in made.caption


def test_costs_of_several_samples_are_said_to_be_of_one():
    its = [drafts("1", 0.9, sample=sample) for sample in range(2)]
    runs = [analyze(run_of(its, [True] * 2, samples=2, temperature=0.7))]
    once = [analyze(run_of(its[:1], [True]))]
    for draw in (cost.accuracy_flops, cost.accuracy_latency, tokens):
        many, one = draw(runs), draw(once)
        assert many is not None
        assert one is not None
        assert many.caption.endswith("FLOPs and seconds are of one sample.")
        assert "several samples" not in one.caption


def test_sweeps_beyond_those_shown_are_told_in_the_caption():
    runs = [
        analyze(run_of([drafts("1", 0.9)], [True], at, candidates=n, temperature=0.7))
        for n in range(1, 8)
        for at in (0.4, 0.6)
    ]
    made, all_shown = threshold(runs), threshold(runs[2:])
    assert made is not None
    assert all_shown is not None
    assert made.caption.endswith(" 6 of 7 sweeps are shown.")
    assert "sweeps are shown" not in all_shown.caption


@pytest.mark.parametrize(("weighting", "swept"), [("logistic", True), ("clipping", False)])
def test_only_rules_that_read_the_threshold_make_a_sweep(weighting, swept):
    runs = [run_of([drafts("1", 0.9)], [True], at, weighting=weighting) for at in (0.4, 0.6)]
    assert bool(thresholds([analyze(run) for run in runs])) is swept


def test_runs_over_other_tasks_are_no_points_of_one_sweep(sweep):
    """A line from 0.3 on one task to 0.6 on another would show the tasks' difference."""

    def on(task: str, it: AnalyzedRun) -> AnalyzedRun:
        tasks = it.run.config.tasks.model_copy(update={"names": (task,)})
        config = it.run.config.model_copy(update={"tasks": tasks})
        return dataclasses.replace(it, run=dataclasses.replace(it.run, config=config))

    _, low, high, _ = sweep
    assert thresholds([low, on("gsm8k", high)]) == {}
    found = thresholds([low, high, on("gsm8k", low), on("gsm8k", high)])
    assert [[delta for delta, _ in its] for its in found.values()] == [[0.3, 0.6]] * 2


def test_runs_answered_from_the_step_cache_have_no_latency(sweep):
    it = sweep[1]
    overall = it.metrics.overall.model_copy(update={"speed_void": "cached", "latency_s": None})
    metrics = it.metrics.model_copy(update={"overall": overall})
    cached = dataclasses.replace(it, metrics=metrics)
    assert latency([cached]) is None
    assert cost.accuracy_latency([cached]) is None
    made = latency([sweep[0], cached])
    assert made is not None
    assert "Left out for answers from the step cache: 1 of 2 runs." in made.caption


def test_without_matplotlib_there_are_none_and_one_line_says_so(sweep, monkeypatch):
    assert missing() is None
    monkeypatch.setattr(plots_module, "find_spec", lambda name: None)
    assert plots(sweep) == []
    said = "In a clone of rsd, pip install -e '.[report]' adds it."
    assert missing() == f"No plots: matplotlib is not installed. {said}"


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(1, 0.5)], [0]),
        ([(2, 0.9), (1, 0.5), (3, 0.8)], [1, 0]),  # 3 costs more and is worse than 2
        ([(1, 0.5), (1, 0.7)], [1]),  # same cost
        ([(1, 0.7), (2, 0.7)], [0]),  # same accuracy
        ([(1, 0.7), (1, 0.7)], [0, 1]),
    ],
)
def test_pareto_front(points, front):
    assert pareto_front(points) == front
