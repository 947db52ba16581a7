from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from pathlib import Path

import pytest
from analysis.html_page import Page
from analysis.made_up_runs import grade, solution, three_solutions, write_run

from rsd.analysis import analyze, read_published, render_page
from rsd.analysis.plots import Plot
from rsd.records import read_run
from rsd.types import StopReason

PICTURE = Plot("tokens", "Tokens <by> model", "All & each", "<svg role='img'></svg>", b"")


@pytest.fixture(autouse=True)
def one_plot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plots themselves are tested elsewhere, and take seconds."""
    monkeypatch.setattr("rsd.analysis.report.page.plots", lambda runs: [PICTURE])


def page(*directories: Path, **options) -> tuple[str, Page]:
    html = render_page([analyze(read_run(directory)) for directory in directories], **options)
    return html, Page(html)


def test_the_page_fetches_nothing(rsd_run, target_run):
    html, parsed = page(rsd_run, target_run)
    assert not {tag for tag, _ in parsed.tags} & {"link", "img", "iframe", "base", "object"}
    assert parsed.values("src") == set()
    assert parsed.values("href") == {"#plots", "#tables", "#problems", "#details"}
    assert not re.search(r"url\(|@import|import\(|fetch\(|XMLHttpRequest", html)


def test_its_policy_allows_its_own_script_and_nothing_else(rsd_run):
    html, parsed = page(rsd_run)
    (policy,) = [a["content"] for tag, a in parsed.tags if tag == "meta" and "http-equiv" in a]
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'; " in policy
    assert f"script-src 'sha256-{digest}';" in policy


def test_every_part_is_there(rsd_run, target_run):
    _, parsed = page(rsd_run, target_run)
    for part in (
        "Most accurate: target alone",
        "Tokens <by> model",
        "All & each",
        "Accuracy and cost",
        "Differences on the same problems",
        "Tokens per problem and speed",
        "By task",
        "Latency and servers",
        "Provenance",
        "Manifests",
        '"git_commit": null',
        '"threshold": 0.7',
    ):
        assert part in parsed.text, part
    assert ("svg", {"role": "img"}) in parsed.tags


def test_the_published_figures_are_there_if_given(rsd_run, tmp_path):
    path = tmp_path / "published.csv"
    path.write_text("method,family,target,draft,prm,n,set,accuracy,problems,arxiv,table\n")
    _, without = page(rsd_run)
    _, parsed = page(rsd_run, published=read_published(path))
    assert "Against the paper" not in without.text
    assert "Against the paper" in parsed.text


def test_a_run_that_names_a_published_row_stands_beside_it(rsd_run):
    config = rsd_run / "config.yaml"
    config.write_text(config.read_text() + "paper_row: math/7B/1.5B/1.5B\n")
    assert "Against the paper" in page(rsd_run)[1].text


def test_a_title_of_many_runs_is_short(tmp_path):
    runs = []
    for name in ("a", "b", "c", "d"):
        runs.append(write_run(tmp_path / "many" / name, [], []))
        manifest = runs[-1] / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"made-up"', f'"{name}"'))
    assert "4 runs in many/ · rsd report" in page(*runs)[1].text
    assert "a, b, c · rsd report" in page(*runs[:3])[1].text


def test_what_models_and_servers_wrote_is_escaped(tmp_path):
    attack = "</script></style><script>alert(1)</script><!-- <img src=x onerror=alert(1)>\"'&"
    steps = [step.model_copy(update={"text": attack}) for step in three_solutions()[0].steps]
    bad = solution(
        attack, steps, question=attack, gold=attack, level=attack, error=attack,
        stop_reason=StopReason.ERROR,
    )  # fmt: skip
    run = write_run(tmp_path / "r", [bad], [grade(attack, False, prediction=attack, how=attack)])
    manifest = run / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"here"', '"<script>alert(2)</script>"'))
    html, parsed = page(run)
    assert html.count("<script") == 3  # the index, a chunk, and the page's own
    assert "alert(1)" not in html
    assert parsed.text.count("<script>alert(2)</script>") == 2  # provenance and manifest


def test_a_run_with_nothing_in_it_has_a_page(tmp_path):
    _, parsed = page(write_run(tmp_path / "r", [], []))
    assert "No problem is graded yet." in parsed.text
    assert "Accuracy and cost" in parsed.text


def test_steps_that_do_not_fit_are_said_to_be_missing(tmp_path):
    run = write_run(tmp_path / "r", three_solutions(), [])
    _, parsed = page(run, most=0)
    assert "omits the steps of the last 3 of 3 problems" in parsed.text
