from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from analysis.html_page import Page
from analysis.made_up_runs import grade, solution, target, write_run

from rsd.analysis import analyze, read_published, render_page, render_table
from rsd.analysis.paper.comparison import compare_with_paper
from rsd.analysis.paper.published import AVERAGED, Row, find_published, row_of
from rsd.analysis.statistics.intervals import mean_interval, wilson_interval
from rsd.cli.commands.report import report
from rsd.config import load, parse
from rsd.errors import ConfigError
from rsd.records import CONFIG, CUT_GRADES, GRADES, TRAJECTORIES, read_run

PAPER_7B = "math/7B/1.5B/1.5B"
MAIN_ROW = Row("math", "rsd", "7B", "1.5B", "1.5B", "0.7")


def change_config(directory: Path, changes: dict[str, Any]) -> None:
    """Put `changes` of the top level into the stored configuration."""
    path = directory / CONFIG
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, change in changes.items():
        values[key] = {**values[key], **change} if isinstance(change, dict) else change
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


@pytest.fixture
def make_run(tmp_path: Path):
    """A run of `right` of `n` problems (by the paper's grader) on each task, none right by the
    default grader."""

    def make(name: str, tallies: dict[str, tuple[int, int]], **changes: Any) -> Path:
        solutions, grades = [], []
        for task, (right, n) in tallies.items():
            for i in range(n):
                solutions.append(solution(str(i), [target(0, 20, 5)], task=task))
                grades.append(grade(str(i), False, task=task, correct_paper=i < right))
        directory = write_run(tmp_path / name, solutions, grades, tasks=tuple(tallies))
        change_config(directory, changes)
        return directory

    return make


def comparison(directory: Path):
    return compare_with_paper(analyze(read_run(directory)), read_published())


def squeezed(text: str) -> str:
    return " ".join(text.split())


def paper_part(directory: Path) -> list[str]:
    text = render_table([analyze(read_run(directory))], read_published())
    return [squeezed(line) for line in text[text.index("Against the paper") :].splitlines()]


def test_the_published_figures_are_whole() -> None:
    published = read_published()
    with find_published().open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    figures = [figure for row in published.values() for figure in row.values()]
    assert len(figures) == len(lines) == 322  # so no figure is there twice
    assert {task for row in published.values() for task in row} == {*AVERAGED, "minerva_math"}
    assert all(0.05 < f.accuracy < 1 and f.arxiv == "2501.19324" for f in figures)
    row = published[MAIN_ROW]
    assert [row[task].accuracy for task in AVERAGED] == pytest.approx(
        [0.826, 0.945, 0.688, 0.396, 0.384, 0.714]
    )
    assert [row[task].problems for task in AVERAGED] == [500, 1319, 385, 675, 198, 3018]


def test_a_run_is_set_beside_its_row(make_run) -> None:
    directory = make_run("r", {"gpqa": (80, 198), "math500": (350, 500)}, paper_row=PAPER_7B)
    lines = paper_part(directory)
    assert lines[0] == "Against the paper: r"
    # 38.4 is in the Wilson interval of 80 / 198, and 82.6 is not in that of 350 / 500.
    assert "gpqa 198 of 198 0.0% 40.4 [33.8, 47.4] 38.4% +2.0 yes" in lines
    assert "math500 500 of 500 0.0% 70.0 [65.8, 73.9] 82.6% −12.6 no" in lines
    assert "average 2 of 6 sets 0.0% 55.2 [51.3, 59.2] 60.5% −5.3 no" in lines
    notes = squeezed(" ".join(lines))
    assert "Published (arXiv 2501.19324, main): rsd 0.7, models math/7B/1.5B/1.5B as" in notes
    assert "This run: draft draft, target target, prm prm." in notes
    assert "not in this run: gsm8k, gaokao2023en, olympiadbench, mmlu_stem, minerva_math." in notes
    assert "Decoded with the default profile" in notes
    assert "a part of the set" not in notes


def test_the_average_is_unweighted_and_of_the_six_sets_only(make_run) -> None:
    tallies = dict.fromkeys((*AVERAGED, "minerva_math"), (5, 10)) | {"gsm8k": (40, 40)}
    changes = {"paper_row": PAPER_7B, "decoding": {"profile": "paper"}}
    lines = paper_part(make_run("r", tallies, **changes))
    # (5 * 0.5 + 1) / 6, and the mean of the six published figures.
    (average,) = [line for line in lines if line.startswith("average")]
    assert average.startswith("average 6 of 6 sets 0.0% 58.3 [")
    assert average.endswith("65.9% −7.5 yes")
    assert any(line.startswith("minerva_math 10 of 272") for line in lines)
    assert "a part of the set was decoded" in " ".join(lines)
    assert "default profile" not in " ".join(lines)


def test_a_run_of_the_paper_profile_is_taken_as_patience_leaves_it(make_run) -> None:
    directory = make_run("r", {"gpqa": (2, 3)}, paper_row=PAPER_7B, decoding={"profile": "paper"})
    long = solution("2", [target(i, 20, 5) for i in range(9)], task="gpqa")
    trajectories = (directory / TRAJECTORIES).read_text().splitlines(keepends=True)
    trajectories[2] = long.model_dump_json() + "\n"
    (directory / TRAJECTORIES).write_text("".join(trajectories))
    it = comparison(directory)
    (gpqa,) = it.sets  # the others took one step; the long one is cut to six and not graded so
    assert (it.cut, gpqa.right, gpqa.n) == (1, 2, 2)
    verdict = grade("2", True, task="gpqa").model_dump() | {"steps": 6}
    (directory / CUT_GRADES).write_text(json.dumps(verdict) + "\n")
    it = comparison(directory)
    (gpqa,) = it.sets
    assert (it.cut, gpqa.right, gpqa.n, gpqa.default) == (1, 3, 3, (1, 3))
    assert "Solutions cut by the paper's patience: 1." in " ".join(paper_part(directory))
    change_config(directory, {"decoding": {"profile": "default"}})
    it = comparison(directory)
    (gpqa,) = it.sets
    assert (it.cut, gpqa.right, gpqa.n, gpqa.default) == (None, 2, 3, (0, 3))


def test_failures_count_as_wrong_and_what_is_not_graded_not_at_all(make_run) -> None:
    directory = make_run("r", {"gpqa": (3, 4)}, paper_row=PAPER_7B)
    grades = (directory / GRADES).read_text().splitlines(keepends=True)
    (directory / GRADES).write_text("".join(grades[1:]))
    (gpqa,) = comparison(directory).sets
    assert (gpqa.right, gpqa.n, gpqa.whole, gpqa.is_partial) == (2, 3, 198, True)
    broken = [solution("x", [], task="gpqa", stop_reason="error", error="down")]
    failed = write_run(directory.parent / "failed", broken, [], tasks=("gpqa",))
    change_config(failed, {"paper_row": PAPER_7B})
    (gpqa,) = comparison(failed).sets
    assert (gpqa.right, gpqa.n) == (0, 1)


@pytest.mark.parametrize(
    ("decoding", "row"),
    [
        ({}, Row("math", "rsd", "7B", "1.5B", "7B", "0.7")),
        ({"threshold": 0.9}, Row("math", "rsd", "7B", "1.5B", "7B", "0.9")),
        ({"weighting": "clipping"}, None),
        ({"strategy": "random"}, None),
        ({"strategy": "target"}, Row("math", "single", "7B", "", "", "")),
        ({"strategy": "draft"}, Row("math", "single", "", "1.5B", "", "")),
        (
            {"strategy": "majority", "candidates": 16, "temperature": 0.7},
            Row("math", "majority", "", "1.5B", "", "maj@16"),
        ),
        (
            {"strategy": "best_of_n", "writer": "target", "candidates": 64, "temperature": 0.7},
            Row("math", "best_of_n", "", "7B", "7B", "N=64"),
        ),
    ],
)
def test_the_row_follows_from_the_way_of_decoding(decoding, row) -> None:
    endpoint = {"endpoint": "http://127.0.0.1:8001/v1"}
    models = {
        role: {"model": role, "served_name": role} | endpoint for role in ("draft", "target", "prm")
    }
    values = {"name": "x", "models": models, "tasks": {"names": ["gsm8k"]}, "decoding": decoding}
    assert row_of(parse(values | {"paper_row": "math/7B/1.5B/7B"}, "x.yaml")) == row
    assert row_of(parse(values, "x.yaml")) is None
    assert row is None or row in read_published()


def test_a_target_that_decodes_speculatively_stands_for_that_row() -> None:
    main = Path(__file__).parents[2] / "configs/paper/qwen25_math_7b_1.5b_prm1.5b.yaml"
    overrides = ["decoding.strategy=target", "models.target.serve.speculative={model: d}"]
    row = row_of(load(main, overrides))
    assert row == Row("math", "sd", "7B", "1.5B", "", "")
    assert row in read_published()


def test_a_run_without_a_row_has_one_line_that_lists_the_rows(make_run) -> None:
    lines = paper_part(make_run("unnamed", {"gpqa": (1, 2)}))
    assert lines[0] == "Against the paper"
    text = " ".join(lines[1:])
    assert text.startswith("unnamed: its configuration names no paper_row; published are math/7B/")
    assert "llama/8B/1B/7B" in text
    text = " ".join(paper_part(make_run("mistyped", {"gpqa": (1, 2)}, paper_row="math/8B")))
    assert "mistyped: no paper_row 'math/8B'; published are math/7B/1.5B/1.5B," in text
    changes = {"paper_row": PAPER_7B, "decoding": {"threshold": 0.75}}
    text = " ".join(paper_part(make_run("between", {"gpqa": (1, 2)}, **changes)))
    assert (
        "between: no figure for rsd 0.75 with math/7B/1.5B/1.5B; "
        "published there: rsd 0.7, rsd best, rsd 0.6, rsd 0.8, rsd 0.9."
    ) in text


def test_the_command_prints_it_and_writes_it_into_the_page(make_run, tmp_path, capsys) -> None:
    with_row = make_run("with", {"gpqa": (1, 2)}, paper_row=PAPER_7B)
    without = make_run("without", {"gpqa": (1, 2)})
    html = tmp_path / "page.html"
    report([with_row, without], html, paper=True)
    out = capsys.readouterr().out
    assert "Against the paper: with\n" in out
    assert "without: its configuration names no paper_row" in squeezed(out)
    parsed = Page(html.read_text())
    assert "Against the paper: with" in parsed.text
    assert "without: its configuration names no paper_row" in parsed.text
    report([with_row])
    assert "Against the paper" not in capsys.readouterr().out


def test_the_page_has_no_empty_table(make_run) -> None:
    run = analyze(read_run(make_run("without", {"gpqa": (1, 2)})))
    plain, beside = Page(render_page([run])), Page(render_page([run], published=read_published()))
    tables = [[name for name, _ in page.tags].count("table") for page in (plain, beside)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("family,method\nmath,rsd\n", ":2: not a published figure (KeyError('target'))"),
        (
            "family,method,target,draft,prm,setting,task,problems,accuracy,arxiv,table\n"
            "math,rsd,7B,1.5B,1.5B,0.7,gpqa,many,38.4,2501.19324,main\n",
            ":2: not a published figure (ValueError(",
        ),
    ],
)
def test_a_wrong_file_of_figures_is_named(tmp_path, text, message) -> None:
    path = tmp_path / "figures.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match="figures.csv") as caught:
        read_published(path)
    assert message in str(caught.value)


def test_without_the_repository_the_option_is_named(tmp_path, monkeypatch) -> None:
    elsewhere = str(tmp_path / "rsd/__init__.py")
    monkeypatch.setattr("rsd.analysis.paper.published.rsd.__file__", elsewhere)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="data/paper/accuracy.csv: not found; .*--published FILE"):
        read_published()


def test_the_interval_of_a_mean() -> None:
    assert mean_interval([(3, 10)]) == pytest.approx(wilson_interval(3, 10))
    low, high = mean_interval([(0, 5), (0, 5)])
    assert low == 0
    assert 0 < high < wilson_interval(0, 5)[1]
    # Many problems: the normal approximation, sqrt(2 * 0.25 / 10_000) / 2 * 1.96.
    low, high = mean_interval([(5_000, 10_000), (5_000, 10_000)])
    assert (high - low) / 2 == pytest.approx(0.00693, abs=1e-5)
    with pytest.raises(ValueError, match="no mean"):
        mean_interval([])
