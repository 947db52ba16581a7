"""The README's promises that can be checked without a server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_of_a_strategy_runs_as_printed() -> None:
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", README, re.S)
        if "asyncio.run" in block
    ]
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert shown.stdout.splitlines() == [
        "draft rejected 1 + 1 = 3. 0.1",
        "target kept 1 + 1 = 2. None",
        "draft kept 3 + 1 = 4. 0.9",
    ]


def test_the_loop_in_the_readme_is_the_loop_in_the_code() -> None:
    loop = (ROOT / "rsd" / "decoding" / "strategies" / "speculative.py").read_text(encoding="utf-8")
    (shown,) = [b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "while not" in b]
    for line in shown.splitlines():
        assert line.strip() in loop


def test_every_file_that_the_readme_links_exists() -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.S)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", prose) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_stop_of_the_architecture_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    stops = re.findall(r"`(rsd/[\w/.]+)`", text)
    assert len(stops) > 20
    assert [stop for stop in stops if not (ROOT / stop).is_file()] == []


def test_every_file_that_a_page_links_exists() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]:
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose) if "://" not in link]
        assert [link for link in links if not (page.parent / link).exists()] == [], page
