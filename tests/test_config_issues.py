"""Settings that are very likely a mistake are reported; sensible configurations are not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rsd.config import config_issues, load, load_sweep
from rsd.errors import ConfigError
from rsd.gateway.catalog import catalog, connection_config

CONFIGS = Path(__file__).parents[1] / "configs"
DEMO = CONFIGS / "demo.yaml"
FILES = sorted(CONFIGS.rglob("*.yaml"))
SWEEPS = [path for path in FILES if "sweeps" in path.parts or path.stem == "methods"]


def said(*overrides: str) -> list[str]:
    """The issues of the demo's configuration with `overrides`."""
    return [str(issue) for issue in config_issues(load(DEMO, overrides))]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIGS.parent)


@pytest.mark.parametrize("path", [it for it in FILES if it not in SWEEPS], ids=lambda it: it.stem)
def test_shipped_configurations_have_no_issue(path: Path) -> None:
    config = load(path)
    assert config_issues(config) == []
    for strategy in ("draft", "target"):
        assert config_issues(load(path, [f"decoding.strategy={strategy}"])) == []
    if config.decoding.profile == "default":
        assert [config_issues(it.config) for it in catalog(config).values()] == [[]] * 5
        assert config_issues(connection_config(catalog(config).values())) == []


@pytest.mark.parametrize("path", SWEEPS, ids=lambda it: it.stem)
def test_shipped_sweeps_have_no_issue_and_do_not_collapse(path: Path) -> None:
    sweep = load_sweep(path)
    assert [issue for point in sweep.points for issue in config_issues(point.config)] == []
    assert sweep.collapse is None


@pytest.mark.parametrize("strategy", ["majority", "best_of_n", "process_best_of_n"])
def test_a_choice_among_one(strategy: str) -> None:
    one = (f"decoding.strategy={strategy}", "decoding.temperature=0.7")
    assert said(*one) == [
        f"decoding.candidates: {strategy} of 1 is the same as draft alone; set it to 2 or more"
    ]
    assert said(*one, "decoding.candidates=2") == []


def test_a_beam_of_one() -> None:
    beam = ("decoding.strategy=beam", "decoding.temperature=0.7")
    assert said(*beam) == [
        "decoding.beams: a search with 1 beam is the same as draft alone; set it to 2 or more"
    ]
    assert "is the same as process_best_of_n" in said(*beam, "decoding.candidates=4")[0]
    assert said(*beam, "decoding.candidates=2", "decoding.beams=2") == []


@pytest.mark.parametrize(
    ("threshold", "became"), [("7", "rejects every"), ("1.01", "rejects"), ("-0.5", "keeps every")]
)
@pytest.mark.parametrize("strategy", ["rsd", "oracle"])
def test_a_threshold_that_no_reward_can_reach(strategy: str, threshold: str, became: str) -> None:
    (it,) = said(f"decoding.strategy={strategy}", f"decoding.threshold={threshold}")
    assert it.startswith("decoding.threshold: rewards lie between 0 and 1, so ")
    assert f"{threshold} {became}" in it


@pytest.mark.parametrize("threshold", ["0", "1", ".inf", "-.inf"])
def test_thresholds_at_the_ends_are_meant(threshold: str) -> None:
    assert said(f"decoding.threshold={threshold}") == []


def test_a_threshold_that_is_no_bound_of_rewards() -> None:
    assert said("decoding.threshold=1.5", "decoding.weighting=logistic") == []
    assert said("decoding.threshold=7", "decoding.strategy=target") == []
    assert said("decoding.threshold=1.5", "decoding.strategy=guided") == []


def test_options_that_a_strategy_does_not_read() -> None:
    assert said("decoding.options.bar=1") == [
        "decoding.options.bar: rsd reads no options; remove it, or use your own strategy"
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("None", None),
        ("('bar',)", None),
        ("('bars',)", "did you mean bars?"),
        ("()", "remove it"),
        ("('x', 'margin')", "it reads margin, x"),
    ],
)
def test_options_of_a_class_that_names_those_it_reads(
    options: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"options_of_a_test_{abs(hash(options))}"
    (tmp_path / f"{name}.py").write_text(f"class Mine:\n    options = {options}\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    own = f"{name}:Mine"
    found = said(f"decoding.strategy={own}", "decoding.options.bar=1")
    issue = f"decoding.options.bar: {own} does not read it; {expected}"
    assert found == ([issue] if expected else [])
    config = load(DEMO, [f"decoding.strategy={own}", "decoding.options.bar=1"])
    assert all(it.fatal for it in config_issues(config))


def test_top_p_without_a_temperature() -> None:
    assert said("decoding.top_p=0.9")[0].startswith("decoding.top_p: 0.9 has no effect at temp")
    assert said("decoding.top_p=0.9", "decoding.temperature=0.7") == []


def test_draft_and_target_of_one_server() -> None:
    same = "models.target.endpoint=http://127.0.0.1:8101/v1"
    assert said(same) == []  # the server's names tell them apart, or preflight does
    assert "the same model at http" in said(same, "models.target.served_name=draft")[0]
    alone = "decoding.strategy=target"
    assert said(same, "models.target.served_name=draft", alone) == []


GONE = "data/demo/gone"


def test_a_missing_directory_whose_tokenizer_is_needed() -> None:
    for key in ("model", "tokenizer"):
        (issue,) = config_issues(load(DEMO, [f"models.prm.{key}={GONE}"]))
        assert issue.fatal
        assert str(issue).startswith(f"models.prm.{key}: {GONE}: no such directory, and its tok")
    assert said(f"models.prm.model={GONE}", "decoding.strategy=draft") == []
    (issue,) = config_issues(load(DEMO, [f"models.target.model={GONE}", "decoding.profile=paper"]))
    assert issue.fatal


def test_a_missing_directory_may_be_on_the_servers_machine() -> None:
    (issue,) = config_issues(load(DEMO, [f"models.target.model={GONE}"]))
    assert not issue.fatal
    assert "models.target.parameters" in issue.fix
    assert said(f"models.target.model={GONE}", "models.target.parameters=7000") == []
    assert said("models.target.model=owner/name") == []


def sweep(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "sweep.yaml"
    file.write_text(f"name: s\nbase: {DEMO}\n{text}")
    return file


def test_a_grid_that_collapses_in_part_says_which_points_are_equal(tmp_path: Path) -> None:
    grid = "grid: {decoding.strategy: [rsd, target], decoding.threshold: [0.5, 0.7, 0.9]}"
    assert load_sweep(sweep(tmp_path, grid)).collapse == (
        "6 points are 4 runs, as some differ only in keys that their strategy does not read: "
        "strategy-target_threshold-0.5 = strategy-target_threshold-0.7 = "
        "strategy-target_threshold-0.9"
    )


@pytest.mark.parametrize(
    ("weighting", "runs"),
    [("step", 3), ("constant", 2), ("clipping", 1), ("sigmoidal", 1), ("logistic", 6)],
)
def test_points_that_differ_in_what_their_weighting_does_not_read_are_one_run(
    weighting: str, runs: int, tmp_path: Path
) -> None:
    points = [
        {"threshold": t, "probability": p, "sharpness": s}
        for t in (0.5, 0.7, 0.9)
        for p in (0.2, 0.8)
        for s in (10, 20)
    ]
    lines = [f"- {{{', '.join(f'decoding.{k}: {v}' for k, v in it.items())}}}" for it in points]
    text = "\n".join([f"overrides: {{decoding.weighting: {weighting}}}", "points:", *lines])
    assert len(load_sweep(sweep(tmp_path, text)).points) == runs


def test_a_grid_key_that_nothing_reads_is_refused_with_the_strategies(tmp_path: Path) -> None:
    grid = "grid: {decoding.strategy: [draft, target], decoding.threshold: [0.5, 0.7]}"
    with pytest.raises(ConfigError, match=r"grid.decoding.threshold: .* \(strategy draft and targ"):
        load_sweep(sweep(tmp_path, grid))


def test_options_of_a_sweep_are_for_the_strategies_that_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_of_a_sweep.py").write_text("class Mine:\n    options = ('bar',)\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    options = "overrides: {decoding.options.bar: 1}\n"
    mixed = options + "grid: {decoding.strategy: [draft, 'mine_of_a_sweep:Mine']}"
    points = load_sweep(sweep(tmp_path, mixed)).points
    assert [issue for point in points for issue in config_issues(point.config)] == []
    assert [point.config.decoding.options for point in points] == [{}, {"bar": 1}]
    built_in = load_sweep(sweep(tmp_path, options + "grid: {decoding.strategy: [draft, target]}"))
    assert all(config_issues(point.config) for point in built_in.points)
