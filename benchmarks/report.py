"""The page of a large run: what it takes to make, and how it answers.

    python benchmarks/report.py [--problems 5000] [--steps 30]

A run is made up of the lines of the demo benchmark's own solutions: so many problems of so many
kept steps, a fifth of them by the target after a rejected draft. `rsd report --html` makes its page
in a process of its own. Where Playwright and a Chromium are installed, the page is then opened,
filtered, and its last problem opened; else those figures are null. A run of a tenth of the
problems is measured first: the ratio of the two says how the cost grows.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any

from harness.common import DEMO, argument_parser, say, write_result

from rsd.config import Config, load
from rsd.records import GradeRecord, Manifest, ServedModel, Session, TrajectoryRecord
from rsd.runs.store import RunStore
from rsd.tasks import load_problems
from rsd.testing.reasoner import load_solutions
from rsd.types import (
    ROLES,
    Completion,
    Problem,
    Score,
    Source,
    Step,
    StopReason,
    Trajectory,
    Usage,
)

AIM_S = 60.0
BY_TARGET = 0.2  # of the kept steps
PROMPT, TOKENS = 60, 40  # of a problem, of a step
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def make(root: Path, problems: int, steps: int) -> Path:
    """The directory of a made-up run."""
    config = load(DEMO, [f"run.output_dir={root}", f"name=made-up-{problems}"])
    known = load_problems("demo", config.tasks.data_dir)
    lines = list(chain(*load_solutions(["demo"], config.tasks.data_dir).values()))
    draw = random.Random(problems)
    with RunStore(config, config.directory) as store:
        for number in range(problems):
            like = known[number % len(known)]
            problem = Problem("demo", str(number), like.question, like.gold, like.level)
            record = TrajectoryRecord.of(solution(problem, lines, steps, draw))
            store.append(record)
            right = draw.random() < 0.9
            store.append(
                GradeRecord(
                    task="demo",
                    problem_id=problem.problem_id,
                    prediction=problem.gold if right else "0",
                    correct=right,
                    correct_paper=right,
                    how="number",
                )
            )
        store.write_manifest(described(config, problems))
    return config.directory


def solution(problem: Problem, lines: list[str], length: int, draw: random.Random) -> Trajectory:
    steps: list[Step] = []
    for index in range(length):
        by_target = draw.random() < BY_TARGET
        ends = StopReason.EOS if index == length - 1 else None
        reward = draw.uniform(0, 0.92) if by_target else draw.uniform(0.92, 1)
        steps.append(step(index, "draft", draw.choice(lines), reward, not by_target, ends))
        if by_target:
            steps.append(step(index, "target", draw.choice(lines), None, True, ends))
    response = "\n\n".join(each.text for each in steps if each.accepted)
    return Trajectory(problem, 0, tuple(steps), response, StopReason.EOS, 0.0, 10.0)


def step(
    index: int,
    source: Source,
    text: str,
    reward: float | None,
    accepted: bool,
    ends: StopReason | None,
) -> Step:
    prompt = PROMPT + index * TOKENS
    written = Completion(text, "stop", "\n\n", Usage(1, prompt, 0, TOKENS), 0.0, 0.1)
    read = Usage(1, prompt + TOKENS, prompt, 0)
    score = None if reward is None else Score(reward, read, TOKENS, 0.1, 0.01)
    return Step(index, source, accepted, written, score, ends if accepted else None)


def described(config: Config, problems: int) -> Manifest:
    return Manifest(
        name=config.name,
        digest=config.digest,
        models={
            role: ServedModel(
                endpoint=config.models.role(role).endpoint,
                served_name=role,
                model=config.models.role(role).model,
                context=4096,
            )
            for role in ROLES
        },
        parameters=dict.fromkeys(ROLES, 1_000_000),
        prefix="tokens",
        seed=0,
        asked={"demo": problems},
        versions={},
        host="made up",
        sessions=(Session(started_at=0, ended_at=10, concurrency=32),),
    )


def measure(root: Path, problems: int, steps: int) -> dict[str, Any]:
    """What the page of a made-up run costs."""
    directory, page = make(root, problems, steps), root / f"{problems}.html"
    say(f"{problems} problems: made up")
    command = [sys.executable, "-m", "rsd", "report", str(directory), "--html", str(page)]
    clock = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"rsd report ended with {process.returncode}")
    return {
        "problems": problems,
        "steps": steps,
        "trajectories_mib": round((directory / "trajectories.jsonl").stat().st_size / 2**20, 1),
        "page_mib": round(page.stat().st_size / 2**20, 2),
        "wall_s": round(time.perf_counter() - clock, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "memory_mib": round(used.ru_maxrss / 1024),
        "browser_s": in_browser(page),
    }


def in_browser(page: Path) -> dict[str, float] | None:
    """Seconds to open the page, to filter it, and to open a problem; None without a browser."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        return None
    seconds = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        tab = browser.new_page()
        clock = time.perf_counter()
        tab.goto(page.as_uri())
        tab.locator("#list [role=option]").first.wait_for()
        seconds["open"] = time.perf_counter() - clock
        clock = time.perf_counter()
        tab.get_by_role("button", name="right").click()
        tab.locator("#outcomes [data-value=r][aria-pressed=true]").wait_for()
        seconds["filter"] = time.perf_counter() - clock
        clock = time.perf_counter()
        tab.locator("#list").focus()
        tab.keyboard.press("End")
        tab.keyboard.press("Enter")
        tab.locator("#problem h3").wait_for()
        seconds["open_problem"] = time.perf_counter() - clock
        browser.close()
    return {name: round(value, 3) for name, value in seconds.items()}


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--problems", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rsd-benchmark-") as folder:
        tenth, whole = (
            measure(Path(folder), problems, asked.steps)
            for problems in (asked.problems // 10, asked.problems)
        )
    ratio = round(whole["cpu_s"] / tenth["cpu_s"], 2)
    write_result("report", {"aim_s": AIM_S, "runs": [tenth, whole], "cpu_whole_over_tenth": ratio})
    for run in (tenth, whole):
        print(", ".join(f"{name} {value}" for name, value in run.items()))
    print(f"processor time of ten times the problems: {ratio} times; aim: {AIM_S:g} s for all")


if __name__ == "__main__":
    main()
