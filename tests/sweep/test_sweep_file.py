"""What a sweep file means, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep.conftest import Write

from rsd.config import STRATEGIES, load_sweep
from rsd.errors import ConfigError

ROOT = Path(__file__).parents[2]
SHIPPED = [*sorted((ROOT / "configs" / "sweeps").glob("*.yaml")), ROOT / "configs" / "methods.yaml"]
THRESHOLDS = {"decoding.threshold": [0.2, 0.8]}


def test_a_grid_is_all_combinations_in_order(write: Write) -> None:
    grid = THRESHOLDS | {"decoding.weighting": ["step", "logistic"]}
    sweep = load_sweep(write(grid=grid))
    assert [point.label for point in sweep.points] == [
        "threshold-0.2_weighting-step",
        "threshold-0.2_weighting-logistic",
        "threshold-0.8_weighting-step",
        "threshold-0.8_weighting-logistic",
    ]
    assert [point.config.decoding.threshold for point in sweep.points] == [0.2, 0.2, 0.8, 0.8]
    assert len({point.directory for point in sweep.points}) == 4


def test_what_all_points_set_stands_once_and_gives_way_to_the_command_line(write: Write) -> None:
    path = write(grid=THRESHOLDS, overrides={"run.cache": False, "decoding.max_steps": 7})
    for point in load_sweep(path, ["decoding.max_steps=9"]).points:
        assert point.config.decoding.max_steps == 9
        assert point.config.step_cache is None


def test_a_sweep_has_a_step_cache_unless_it_says_no(write: Write, tmp_path: Path) -> None:
    def cache(*overrides: str) -> set[Path | None]:
        sweep = load_sweep(write(grid=THRESHOLDS), overrides)
        return {point.config.step_cache for point in sweep.points}

    assert cache() == {tmp_path / "runs" / "tried" / "steps.sqlite"}
    assert cache("run.cache=true") == cache()
    assert cache("run.cache=false") == {None}
    assert cache("run.cache=elsewhere/any.db") == {Path("elsewhere/any.db")}


@pytest.mark.parametrize("first", ["grid", "points"])
def test_grid_and_points_stand_as_in_the_file(write: Write, first: str) -> None:
    points = [{"label": "alone", "decoding.strategy": "target"}]
    sections: dict[str, Any] = {"points": points, "grid": THRESHOLDS}
    ordered = dict(sorted(sections.items(), key=lambda item: item[0] != first))
    labels = [point.label for point in load_sweep(write(**ordered)).points]
    expected = ["alone", "threshold-0.2", "threshold-0.8"]
    assert labels == (expected if first == "points" else [*expected[1:], expected[0]])


def test_a_point_lies_under_the_sweep_by_label_and_digest(write: Write, tmp_path: Path) -> None:
    (point, _) = load_sweep(write(grid=THRESHOLDS)).points
    assert point.directory == tmp_path / "runs" / "tried" / f"threshold-0.2-{point.config.digest}"
    assert point.config.name == "threshold-0.2"


def test_points_that_come_to_the_same_run_share_it(write: Write) -> None:
    grid = THRESHOLDS | {"decoding.strategy": ["rsd", "target"]}
    points = load_sweep(write(grid=grid)).points
    assert [point.labels for point in points] == [
        ("threshold-0.2_strategy-rsd",),
        ("threshold-0.2_strategy-target", "threshold-0.8_strategy-target"),
        ("threshold-0.8_strategy-rsd",),
    ]


def test_long_paths_are_told_apart_by_their_ends(write: Write) -> None:
    there = "/a/long/way/to/where/all/the/checkpoints/of/this/machine/lie/at"
    models = [f"{there}/Qwen2.5-Math-{size}B/" for size in (7, 72)]
    points = load_sweep(write(grid={"models.target.model": models})).points
    assert [point.label for point in points] == ["model-Qwen2.5-Math-7B", "model-Qwen2.5-Math-72B"]


def test_a_run_is_found_by_its_digest_when_it_is_labelled_anew(write: Write) -> None:
    (before,) = load_sweep(write(points=[{"label": "old", "decoding.threshold": 0.2}])).points
    before.directory.mkdir(parents=True)
    (after,) = load_sweep(write(points=[{"label": "new", "decoding.threshold": 0.2}])).points
    assert after.label == "new"
    assert after.directory == before.directory


def test_values_keep_their_type(write: Write) -> None:
    speculative = {"model": "no: thing", "tokens": 3}
    (point,) = load_sweep(
        write(
            points=[
                {
                    "decoding.threshold": float("-inf"),
                    "decoding.step_separator": "\n",
                    "decoding.options": {"text": "0.5", "none": None, "list": [1, "a, b"]},
                    "models.target.serve.speculative": speculative,
                }
            ]
        )
    ).points
    config = point.config
    assert config.decoding.threshold == float("-inf")
    assert config.decoding.step_separator == "\n"
    assert config.decoding.options == {"text": "0.5", "none": None, "list": [1, "a, b"]}
    assert config.models.target.serve.speculative is not None
    assert config.models.target.serve.speculative.model == "no: thing"


def test_overrides_are_of_every_point(write: Write) -> None:
    sweep = load_sweep(write(grid=THRESHOLDS), ["run.limit=3", "decoding.max_steps=7"])
    assert {(point.config.limit, point.config.decoding.max_steps) for point in sweep.points} == {
        (3, 7)
    }


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "sweep.yaml: no grid and no points; add one of them"),
        ({"grids": THRESHOLDS}, "sweep.yaml: grids: unknown key; did you mean grid?"),
        ({"name": "a/b", "grid": THRESHOLDS}, "sweep.yaml: name: use letters, digits and"),
        ({"models": {}}, "sweep.yaml: this is the configuration of a run; use rsd run"),
        ({"base": "none.yaml", "grid": THRESHOLDS}, "none.yaml: no such file"),
        (
            {"grid": {"decoding.threshold": []}},
            "grid.decoding.threshold: Input should be a list of",
        ),
        (
            {"grid": {"decoding": [{}, {}]}},
            "grid: 'decoding' is not a dotted key; write one such as",
        ),
        ({"points": [{"name": "x"}]}, "points: 'name' is not a dotted key; write one such as"),
        (
            {"overrides": {"decoding.threshold": 1}, "grid": THRESHOLDS},
            "overrides.decoding.threshold: the sweep varies decoding.threshold; keep one of them",
        ),
        ({"points": [{"label": "a b"}]}, "points: label 'a b': use letters, digits and"),
        ({"points": [{"label": "a"}, {"label": "a"}]}, "points: label 'a' is used twice"),
        (
            {"points": [{"label": "a", "decoding.treshold": 1}]},
            "sweep.yaml: point a: {base}: decoding.treshold: unknown key; did you mean threshold?",
        ),
        (
            {"grid": {"decoding.threshold": [0.1, "high"]}},
            "sweep.yaml: point threshold-high: {base}: decoding.threshold: Input should be a valid",
        ),
        (
            {"grid": {"run.concurrency": [1, 8]} | THRESHOLDS},
            "sweep.yaml: grid.run.concurrency: changes no answer here",
        ),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(
    write: Write, tmp_path: Path, keys: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load_sweep(write(**keys))
    message = str(raised.value)
    assert told.format(base=tmp_path / "cluster.yaml") in message
    assert "sweep.yaml: " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("decoding.threshold=1", "the sweep varies decoding.threshold"),
        ("decoding={}", "the sweep varies decoding.threshold"),
        ("name=other", "-o name: the sweep file sets the name"),
        ("decoding.treshold=1", "cluster.yaml: decoding.treshold: unknown key"),
    ],
)
def test_an_override_that_does_not_fit_is_refused(write: Write, override: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_sweep(write(grid=THRESHOLDS), [override])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_sweep_is_valid(path: Path) -> None:
    sweep = load_sweep(path)
    assert all(point.labels == (point.label,) for point in sweep.points)


def test_the_methods_are_all_there() -> None:
    strategies = {
        point.config.decoding.strategy
        for point in load_sweep(ROOT / "configs" / "methods.yaml").points
    }
    assert strategies == set(STRATEGIES)
