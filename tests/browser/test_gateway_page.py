"""The gateway's page in a real browser: steps as they arrive, and what is rejected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from cluster import Cluster
from gateway.running import QUESTION, running_in_thread

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def page(browser: Browser, cluster: Cluster) -> Iterator[Page]:
    """The page, which has asked for nothing but the gateway, and complained of nothing
    but a refusal."""
    models = "{rsd: {strategy: rsd}, target: {strategy: target}, low: {threshold: 0.0625}}"
    overrides = ("gateway.threshold_range=[0.1, 1.0]", f"gateway.models={models}")
    with running_in_thread(cluster, *overrides) as url:
        context = browser.new_context()
        page = context.new_page()
        requests: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda it: requests.append(it.url))
        page.on("console", lambda it: "status of 400" in it.text or complaints.append(it.text))
        page.on("pageerror", lambda it: complaints.append(str(it)))
        page.goto(url)
        page.locator("#ask:enabled").wait_for()
        page.locator("#question").fill(QUESTION)
        yield page
        context.close()
    assert complaints == []
    assert all(each.startswith(url) for each in requests)


def test_steps_arrive_and_rejected_ones_are_struck_through(page: Page) -> None:
    slider = page.locator("#threshold")
    assert (slider.get_attribute("min"), slider.input_value()) == ("0.1", "0.7")
    slider.fill("1")
    assert page.locator("#shown").text_content() == "1.00"
    page.locator("#ask").click()
    page.get_by_text("Ended: the answer is complete").wait_for()
    rejected, kept = page.locator("li.draft.rejected"), page.locator("li.target.kept")
    assert rejected.count() == kept.count() > 1
    struck = rejected.first.locator(".text")
    assert struck.evaluate("it => getComputedStyle(it).textDecorationLine") == "line-through"
    assert rejected.first.locator("meter").get_attribute("value")
    assert page.locator("#rejected").text_content() == str(rejected.count())
    assert page.locator("#kept").text_content() == f"0 / {kept.count()}"
    assert "boxed{25}" in str(kept.last.text_content())


def test_the_strategy_is_chosen_and_an_answer_replaces_the_one_before(page: Page) -> None:
    page.locator("#model").select_option("target")
    assert page.locator("#threshold").is_disabled()
    for _ in range(2):
        page.locator("#ask").click()
        page.get_by_text("Ended: the answer is complete").wait_for()
        numbers = page.locator("li .meta").filter(has_text=re.compile("^step 1,"))
        assert numbers.count() == 1


def test_the_threshold_is_the_operators_until_another_is_chosen(page: Page) -> None:
    """Also where it lies beyond what a request may set, or between two places of the slider."""

    def asked() -> dict[str, object]:
        with page.expect_request("**/v1/chat/completions") as request:
            page.locator("#ask").click()
        page.get_by_text("Ended: the answer is complete").wait_for()
        return request.value.post_data_json["rsd"]

    page.locator("#model").select_option("low")
    assert page.locator("#shown").text_content() == "0.0625"
    assert "threshold" not in asked()
    page.locator("#threshold").fill("0.8")
    assert page.locator("#shown").text_content() == "0.80"
    assert asked()["threshold"] == 0.8
    page.locator("#model").select_option("rsd")
    assert "threshold" not in asked()


def test_stop_stops_the_work(page: Page, cluster: Cluster) -> None:
    cluster.faults("target").latency_s = 60
    page.locator("#model").select_option("target")
    page.locator("#ask").click()
    page.get_by_text("Working").wait_for()
    counters = cluster.apps["target"].state.engine.counters
    while not counters.running:
        page.wait_for_timeout(20)
    page.locator("#stop").click()
    page.get_by_text("Stopped").wait_for()
    while counters.running:
        page.wait_for_timeout(20)


def test_a_refusal_is_told(page: Page) -> None:
    page.locator("#question").fill(" ")
    page.locator("#ask").click()
    page.get_by_text("messages has no user turn with text").wait_for()


def test_an_answer_that_breaks_off_is_told(page: Page) -> None:
    page.route(
        "**/v1/chat/completions",
        lambda route: route.fulfill(content_type="text/event-stream", body='data: {"choices": []}'),
    )
    page.locator("#ask").click()
    page.get_by_text("The connection ended before the answer did").wait_for()


def test_a_key_that_cannot_be_sent_is_told(page: Page) -> None:
    page.locator("#key").fill("ключ")
    page.locator("#question").focus()
    page.locator("#status.bad").wait_for()


def test_any_temperature_can_be_asked_for(page: Page) -> None:
    page.locator("#temperature").fill("0.75")
    assert page.locator("#form").evaluate("it => it.checkValidity()")
