"""A real browser: Debian's chromium, driven by Playwright, which brings none of its own here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")  # while Playwright runs, asyncio.run() of other tests cannot
def browser() -> Iterator[Browser]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is of the extra dev")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no chromium is installed (Debian: apt install chromium)")
    with driver.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield launched
        launched.close()


@dataclass
class Opened:
    """Opens a page of a file, and remembers what it asked for and what it complained of."""

    context: BrowserContext
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __call__(self, path: Path, fragment: str = "") -> Page:
        page = self.context.new_page()
        page.on("request", lambda it: self.requests.append(it.url.partition("#")[0]))
        page.on("console", lambda it: self.complaints.append(it.text))
        page.on("pageerror", lambda it: self.complaints.append(str(it)))
        page.goto(path.as_uri() + fragment)
        page.locator("#browser").wait_for()
        return page


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Opens a page; an indirect parameter gives the options of the browser's context. Afterwards
    the page must have had no error and asked for nothing but itself."""
    options = {"viewport": {"width": 1280, "height": 900}} | getattr(request, "param", {})
    context = browser.new_context(**options)
    it = Opened(context)
    yield it
    context.close()
    assert it.complaints == []
    assert len(it.requests) == 1, it.requests
