from __future__ import annotations

import re
from html.parser import HTMLParser

from analysis.made_up_runs import grade, solution, three_solutions, write_run

from rsd.analysis import analyze, render_page
from rsd.records import read_run
from rsd.types import StopReason

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects tags and text, and checks that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(*directories, **options) -> tuple[str, Page]:
    html = render_page([analyze(read_run(directory)) for directory in directories], **options)
    return html, Page(html)


def test_the_page_is_whole_and_fetches_nothing(rsd_run, target_run):
    html, parsed = page(rsd_run, target_run)
    assert parsed.tags.count(("details", {"class": "problem"})) == 3
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "img", "iframe"}
    assert not re.search(r"(?i)https?:|//\w|url\(|@import|\bsrc=|\bhref=", html)


def test_what_models_and_servers_wrote_is_escaped(tmp_path):
    attack = "</del></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    base = three_solutions()[0]
    steps = [step.model_copy(update={"text": attack}) for step in base.steps]
    bad = solution(
        attack,
        steps,
        question=attack,
        gold=attack,
        stop_reason=StopReason.ERROR,
        error=attack,
    )
    bad_grade = grade(attack, False, prediction=attack, how=attack)
    html, parsed = page(write_run(tmp_path / "r", [bad], [bad_grade]))
    assert not {tag for tag, _ in parsed.tags} & {"script", "img"}
    assert "<script" not in html
    # Four steps, question, its beginning, id, gold, error, prediction, how.
    assert parsed.text.count(attack) == 11


def test_steps_and_verdicts_are_marked_by_more_than_colour(rsd_run):
    html, parsed = page(rsd_run)
    assert html.count("<del") == 3
    assert parsed.text.count("rejected") == 3 + 1  # and once in the legend
    assert parsed.text.count("reward 0.250") == 3
    assert [tag["class"] for name, tag in parsed.tags if name == "li"].count("step target") == 3
    assert "✓ right" in parsed.text
    assert "✗ wrong" in parsed.text
    assert parsed.text.count("The paper's grader says right.") == 1


def test_an_error_is_shown(tmp_path):
    broken = solution("1", [], stop_reason=StopReason.ERROR, error="prm: answered nan")
    _, parsed = page(write_run(tmp_path / "r", [broken], []))
    assert "Error: prm: answered nan" in parsed.text
    assert "! failed" in parsed.text


def test_problems_are_in_natural_order_and_limited(tmp_path):
    solutions = [solution(problem_id, []) for problem_id in ("10", "2", "1")]
    directory = write_run(tmp_path / "r", solutions, [])
    _, parsed = page(directory, limit=2)
    assert "The first 2 of 3 problems." in parsed.text
    assert re.findall(r"demo (\d+)", parsed.text) == ["1", "2"]


def test_an_empty_run_has_a_page(tmp_path):
    _, parsed = page(write_run(tmp_path / "r", [], []))
    assert "Accuracy and cost" in parsed.text
