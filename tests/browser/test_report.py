"""The report in a real browser."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from analysis.made_up_runs import draft, grade, solution, target, three_solutions, write_run

from rsd.analysis import analyze, write_page
from rsd.analysis.plots import plots
from rsd.records import StepRecord, TrajectoryRecord, read_run
from rsd.types import StopReason

PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}


def page_of(folder: Path, *directories: Path, plotted: bool = False) -> Path:
    """The page of the runs; without plots, which take seconds, unless they are asked for."""
    path = folder / "report.html"
    with patch("rsd.analysis.report.page.plots", plots if plotted else lambda runs: []):
        write_page([analyze(read_run(directory)) for directory in directories], path)
    return path


def wrote(text: str) -> StepRecord:
    return draft(0, True, 20, 5, 18, 6).model_copy(update={"text": text})


@pytest.fixture
def rsd_run(tmp_path: Path) -> Path:
    """RSD on three problems, and a fourth that failed."""
    failed = solution("4", [], stop_reason=StopReason.ERROR, error="prm: no answer")
    grades = [grade("1", True), grade("2", False, correct_paper=True), grade("3", True)]
    return write_run(tmp_path / "rsd", [*three_solutions(), failed], grades)


@pytest.fixture
def report(rsd_run: Path, tmp_path: Path) -> Path:
    """RSD, and the target alone on the three."""
    alone = [solution(problem_id, [target(0, 20, 10)]) for problem_id in "123"]
    grades = [grade(problem_id, True) for problem_id in "123"]
    return page_of(
        tmp_path, rsd_run, write_run(tmp_path / "target", alone, grades, strategy="target")
    )


def names(page) -> list[str]:
    return [row.text_content() for row in page.locator("[role=option] .id").all()]


def test_problems_are_filtered_and_searched(report, opened):
    page = opened(report)
    assert names(page) == ["demo 1", "demo 2", "demo 3", "demo 4"]
    for chip, left in (("wrong", ["2"]), ("failed", ["4"]), ("right", ["1", "2", "3"])):
        page.get_by_role("button", name=chip).click()
        assert names(page) == [f"demo {it}" for it in left]
    page.locator("#run").select_option(index=1)
    assert names(page) == ["demo 1", "demo 3"]
    page.get_by_role("button", name="with target steps").click()
    page.locator("#query").fill("what IS 3")
    assert names(page) == ["demo 3"]
    assert page.get_by_role("status").text_content() == "1 of 4 problems."
    page.locator("#query").fill("nowhere")
    assert page.get_by_text("No matching problems.").is_visible()


@pytest.mark.parametrize(("chip", "left"), [("graders differ", ["2"]), ("runs disagree", ["2"])])
def test_what_graders_and_runs_disagree_on_is_found(report, opened, chip, left):
    page = opened(report)
    page.get_by_role("button", name=chip).click()
    assert names(page) == [f"demo {it}" for it in left]


def test_a_rejected_step_unfolds_beneath_the_step_that_replaced_it(report, opened):
    page = opened(report)
    page.get_by_role("option", name="demo 1").click()
    assert page.url.endswith("#problem/demo/1")
    page.get_by_role("button", name="RSD δ=0.7").click()
    assert page.locator(".step:visible b").all_text_contents() == ["◇ draft", "◆ target", "◇ draft"]
    assert page.get_by_text("reward 0.900 ≥ δ 0.7").count() == 2
    place = page.locator(".steps > li").nth(1)
    assert place.locator(".step.target").is_visible()
    place.get_by_text("◇ draft rejected, reward 0.250").click()
    assert place.locator("del").text_content() == "draft step 1"
    place.get_by_text("reward 0.250 < δ 0.7").wait_for()


def test_verdicts_and_errors_are_told(report, opened):
    page = opened(report, "#problem/demo/2")
    page.get_by_role("button", name="RSD δ=0.7").click()
    assert page.get_by_text("The paper's grader says right.").is_visible()
    page.keyboard.press("]")
    assert page.locator("#problem .verdict").text_content().startswith("✓ right")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.url.endswith("#problem/demo/4")
    page.get_by_text("Error: prm: no answer").wait_for()


def test_all_is_reached_by_keys(report, opened):
    page = opened(report)
    page.keyboard.press("/")
    page.keyboard.type("what is")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("#problem h3:focus").wait_for()
    assert page.locator("#problem h3").text_content() == "demo 2"
    page.keyboard.press("k")
    page.get_by_role("heading", name="demo 1").wait_for()
    page.keyboard.press("[")
    page.keyboard.press("x")
    page.get_by_text("draft step 1", exact=True).wait_for()
    page.keyboard.press("Escape")
    page.locator("#list:focus").wait_for()
    assert not page.locator("#problem").is_visible()
    assert page.url.endswith("#problems")


def test_two_runs_stand_beside_each_other(report, opened):
    page = opened(report, "#problem/demo/3")
    page.get_by_label("compare with").select_option(index=1)
    first, second = page.locator(".solution h4").all_text_contents()
    assert (first, second[:9]) == ("target alone", "RSD δ=0.7")


def test_back_leads_from_a_problem_to_the_list(report, opened):
    page = opened(report)
    page.get_by_role("option", name="demo 1").click()
    page.get_by_role("heading", name="demo 1").wait_for()
    page.go_back()
    page.locator("#problem").wait_for(state="hidden")


LATEX = {
    r"$\frac12$ and \(x^2\)": ("math", 2),
    r"\[\begin{cases} 1 & x>0 \\ 0 \end{cases}\]": ("mtable", 1),
    "\\begin{align*} a &= b \\\\ c &= d \\end{align*}": ("mtr", 2),
    r"so \boxed{\text{No solution}} or \boxed{17}": (".boxed", 2),
    r"$\unheard{of}$ and $\frac{1$": ("code", 2),
    "It costs $5 here and $10 there": ("math", 0),
    r"$ 1 \div 2 $ costs \$3": ("math", 1),
    "$" + "{" * 5000 + "}" * 5000 + "$": ("math", 0),
    r"\[" + r"\sqrt" * 3000 + r" 2\]": ("math", 0),
}


@pytest.mark.parametrize("as_written", [False, True])
def test_mathematics_is_set_or_shown_as_its_source(tmp_path, opened, as_written):
    steps = [wrote(text).model_copy(update={"index": i}) for i, text in enumerate(LATEX)]
    run = write_run(tmp_path / "run", [solution("1", steps)], [grade("1", True)])
    page = opened(page_of(tmp_path, run), "#problem/demo/1")
    texts = page.locator(".step .text")
    texts.first.wait_for()
    if as_written:
        page.keyboard.press("s")
        assert page.locator(".step math, .step code").count() == 0
        assert [it for it in texts.all_text_contents() if "…" not in it] == [
            text for text in LATEX if len(text) < 4000
        ]
    else:
        for i, (selector, count) in enumerate(LATEX.values()):
            assert texts.nth(i).locator(selector).count() == count, list(LATEX)[i][:60]


HOSTILE = [
    "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title=1\">",
    "<!-- <script> ]]> ${document.title} {{ 7*7 }} {% raw %} <plaintext>",
    "</pre></style><svg onload=\"document.title='taken'\"><base href='http://127.0.0.1:9/'>",
    "U+2028 \u2028 U+2029 \u2029 NUL \x00 ESC \x1b[2J bell \x07",
    "bidi \u202e gnp.exe \u2066 isolate \u200f mark \ufeff",
    r"$\text{</script><script>document.title='taken'</script>}$ $\href{javascript:alert(1)}{x}$",
]


def hostile_solutions() -> list[TrajectoryRecord]:
    whole = "\n".join(HOSTILE)
    steps = [wrote(text).model_copy(update={"index": i}) for i, text in enumerate(HOSTILE)]
    named = solution(
        HOSTILE[0], steps, question=whole, gold=whole, level=HOSTILE[1], error=whole,
        stop_reason=StopReason.ERROR,
    )  # fmt: skip
    long = [wrote(text) for text in ("x" * 1_000_000, "$" * 1_000_000, r"\[" * 500_000)]
    long = [step.model_copy(update={"index": i}) for i, step in enumerate(long)]
    return [named, solution("long", long)]


def test_what_hostile_models_wrote_stays_text(tmp_path, opened):
    grades = [
        grade(HOSTILE[0], False, prediction="\n".join(HOSTILE), how=HOSTILE[0]),
        grade("long", True),
    ]
    run = write_run(tmp_path / "run", hostile_solutions(), grades)
    page = opened(page_of(tmp_path, run))
    page.locator("#list [role=option]").first.click()
    texts = page.locator(".step .text")
    texts.first.wait_for()
    assert page.title() == "made-up · rsd report"
    assert texts.nth(0).text_content() == HOSTILE[0]
    assert texts.nth(1).text_content() == HOSTILE[1]
    assert "U+2028 U+2028 U+2029 U+2029 NUL U+0000 ESC U+001B[2J" in texts.nth(3).text_content()
    assert "bidi U+202E gnp.exe U+2066 isolate U+200F mark U+FEFF" in texts.nth(4).text_content()
    assert page.locator("img, base, plaintext, #problem svg, #problem a").count() == 0
    assert page.locator("script").count() == 3  # the index, the chunk and the page's own


def test_a_line_of_a_megabyte_is_cut_until_it_is_asked_for(tmp_path, opened):
    run = write_run(tmp_path / "run", hostile_solutions()[1:], [grade("long", True)])
    page = opened(page_of(tmp_path, run), "#problem/demo/long")
    more = page.get_by_role("button", name="Show all 1,000,000 characters")
    more.first.wait_for()
    assert more.count() == 3
    assert len(page.locator(".step .text").first.text_content()) < 5000
    more.first.click()
    assert len(page.locator(".step .text").first.text_content()) == 1_000_000


@pytest.mark.parametrize("opened", [PHONE], indirect=True)
def test_a_phone_in_the_dark(report, opened):
    page = opened(report)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    red, *_ = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert red < 64
    page.get_by_role("option", name="demo 1").click()
    page.get_by_role("heading", name="demo 1").wait_for()
    assert page.evaluate(fits)
    assert not page.locator("#list").is_visible()
    page.get_by_role("button", name="All problems").click()
    assert page.locator("#list").is_visible()


def test_the_theme_can_be_chosen(report, opened):
    page = opened(report)
    for theme in ("light", "dark", "system"):
        page.locator("#theme").click()
        scheme = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
        assert scheme == {"system": "light dark"}.get(theme, theme)


def test_print_has_plots_and_tables_and_no_controls(rsd_run, tmp_path, opened):
    page = opened(page_of(tmp_path, rsd_run, plotted=True))
    page.emulate_media(media="print")
    assert page.get_by_role("heading", name="Accuracy and cost").is_visible()
    assert page.locator("figure svg").first.is_visible()
    for control in ("#browser", "#theme", "nav"):
        assert not page.locator(control).is_visible()


def test_of_many_problems_only_what_is_seen_is_drawn(tmp_path, opened):
    many = [solution(str(i), [target(0, 20, 10)]) for i in range(3000)]
    run = write_run(tmp_path / "run", many, [grade(str(i), i % 2 == 0) for i in range(3000)])
    page = opened(page_of(tmp_path, run))
    assert page.locator("#list [role=option]").count() < 60
    page.locator("#list").focus()
    page.keyboard.press("End")
    page.locator("#row-2999[aria-selected=true]").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="demo 2999").wait_for()
    page.get_by_role("button", name="wrong").click()
    assert page.get_by_role("status").text_content() == "1,500 of 3,000 problems."
