"""`rsd sweep` against three fake servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import PROBLEMS, Cluster
from sweep.conftest import Rsd, Write

from rsd.config import load_sweep
from rsd.records import TRAJECTORIES, read_run
from rsd.runs import identified

THREE = [
    {"label": "alone", "decoding.strategy": "target"},
    {"label": "low", "decoding.threshold": 0.2},
    {"label": "high", "decoding.threshold": 0.8},
]
NOWHERE = {"models.prm.endpoint": "http://127.0.0.1:9/v1"}


def asked(cluster: Cluster) -> int:
    return sum(len(app.state.requests) for app in cluster.apps.values())


def answers(path: Path) -> list[dict[object, str]]:
    return [
        {key: t.response for key, t in read_run(point.directory).trajectories.items()}
        for point in load_sweep(path, (), identified).points
    ]


def rows(out: str) -> list[str]:
    """The first word of each row of the first block."""
    block = out.split("\n\n")[0].splitlines()
    start = next(i for i, line in enumerate(block) if line.startswith("---"))
    return [line.split()[0] for line in block[start + 1 :] if not line.startswith(" ")]


def test_a_sweep_prints_one_table_in_the_order_of_the_file(
    rsd: Rsd, write: Write, tmp_path: Path
) -> None:
    code, out, err = rsd("sweep", write(points=THREE))
    assert code == 0
    assert [row.split("-")[0] for row in rows(out)] == ["alone", "low", "high"]
    page = tmp_path / "runs" / "tried" / "report.html"
    assert out.rstrip().endswith(f"Report: {page}")
    assert page.stat().st_size > 10_000
    assert f"[2/3] low: {PROBLEMS} to solve" in err
    live = [line for line in err.splitlines() if line.endswith(" x the target's FLOPs")]
    assert [line.split()[0] for line in live] == ["alone", "low", "high"]
    assert len({line.index("% of steps") for line in live}) == 1  # columns stand below each other
    for point in load_sweep(write(points=THREE), (), identified).points:
        files = {path.name for path in point.directory.iterdir()}
        assert {"config.yaml", "manifest.json", "metrics.json", "report.html"} <= files


def test_a_finished_sweep_asks_no_server_and_prints_its_table(
    rsd: Rsd, write: Write, cluster: Cluster
) -> None:
    _, first, _ = rsd("sweep", write(points=THREE))
    before = asked(cluster)
    code, second, err = rsd("sweep", write(points=THREE))
    assert (code, second) == (0, first)
    assert "[1/3] alone: done" in err
    assert asked(cluster) == before


def test_a_baseline_that_points_share_runs_once(rsd: Rsd, write: Write, cluster: Cluster) -> None:
    grid = {"decoding.threshold": [0.2, 0.8], "decoding.strategy": ["target"]}
    rsd("sweep", write(points=THREE[:1]))
    before = asked(cluster)
    code, out, _ = rsd("sweep", write(points=[*THREE[:1], {**THREE[0], "label": "again"}]))
    assert code == 0
    assert len(rows(out)) == 1
    assert asked(cluster) == before
    code, _, err = rsd("sweep", write(grid=grid))
    assert code == 2
    assert "grid.decoding.threshold: changes no answer here" in err


def test_a_grid_that_collapses_says_so(rsd: Rsd, write: Write) -> None:
    grid = {"decoding.strategy": ["rsd", "target"], "decoding.threshold": [0.5, 0.7]}
    _, _, err = rsd("sweep", write(grid=grid))
    assert "rsd: tried: 4 points are 3 runs, as some differ only in keys" in err


def test_a_failed_point_does_not_stop_the_others(rsd: Rsd, write: Write) -> None:
    points = [THREE[0], {"label": "lost", "decoding.threshold": 0.5} | NOWHERE, THREE[1]]
    code, out, err = rsd("sweep", write(points=points))
    assert code == 1
    assert [row.split("-")[0] for row in rows(out)] == ["alone", "low"]
    assert "rsd: lost: prm server: http://127.0.0.1:9/v1: cannot be reached" in err
    assert err.splitlines()[-1].startswith("rsd: 1 of 3 points failed; rerun the command")


def test_failed_problems_fail_their_point(rsd: Rsd, write: Write, cluster: Cluster) -> None:
    faults = cluster.faults("draft")
    faults.status, faults.matching = 400, "Ann has 12 pens"
    code, out, err = rsd("sweep", write(points=THREE))
    assert code == 1
    assert len(rows(out)) == 3
    assert "rsd: low: 1 solutions failed; most often (1x): draft server at " in err
    assert "rsd: alone: " not in err
    faults.status = None
    before = asked(cluster)
    code, _, _ = rsd("sweep", write(points=THREE))
    assert code == 0
    assert asked(cluster) > before


@pytest.mark.parametrize(
    ("points", "arguments", "told"),
    [
        ([*THREE, {"label": "odd", "decoding.beam": 3}], [], "point odd: "),
        (THREE, ["-o", "decoding.threshold=1"], "the sweep varies decoding.threshold"),
        (THREE, ["-o", "tasks.data_dir=nowhere"], "nowhere/demo/test.jsonl: no such file"),
    ],
)
def test_a_mistake_in_any_point_is_told_before_the_first_request(
    rsd: Rsd,
    write: Write,
    cluster: Cluster,
    points: list[dict[str, object]],
    arguments: list[str],
    told: str,
) -> None:
    code, out, err = rsd("sweep", write(points=points), *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("rsd: ")
    assert err.count("\n") == 1
    assert told in err
    assert asked(cluster) == 0


def test_status_tells_what_each_run_owes(rsd: Rsd, write: Write, cluster: Cluster) -> None:
    path = write(points=[*THREE, {"label": "same", "decoding.strategy": "target"}])
    directories = [point.directory for point in load_sweep(path, (), identified).points]
    rsd("sweep", write(points=THREE[1:2]))
    before = asked(cluster)
    path = write(points=[*THREE, {"label": "same", "decoding.strategy": "target"}])
    code, out, err = rsd("sweep", path, "--status")
    assert (code, err) == (0, "")
    assert [line.split("\t") for line in out.splitlines()] == [
        [str(directories[0]), str(PROBLEMS), "alone,same"],
        [str(directories[1]), "0", "low"],
        [str(directories[2]), str(PROBLEMS), "high"],
    ]
    assert asked(cluster) == before


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_sweep_resumes_to_the_same_answers(
    rsd: Rsd, write: Write, cluster: Cluster, sent: signal.Signals, code: int
) -> None:
    rsd("sweep", write(name="whole", points=THREE))
    whole = answers(write(name="whole", points=THREE))
    path = write(points=THREE)
    first, second, third = (point.directory for point in load_sweep(path, (), identified).points)
    draft = cluster.faults("draft")
    draft.held = lambda: lines(second) >= 3  # no timing: it cannot get past the signal
    command = [sys.executable, "-m", "rsd", "sweep", str(path), "-o", "run.concurrency=2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as sweep:
        wait_for_lines(second, 3, sweep)
        os.kill(sweep.pid, sent)
        assert sweep.stderr is not None
        shown = b""
        while (line := sweep.stderr.readline()) and b"finishing the" not in line:
            shown += line
        draft.held = lambda: False
        _, rest = sweep.communicate()
    shown += rest
    assert sweep.returncode == code
    assert b"Traceback" not in shown
    assert (b"rerun the command to resume" in shown) == (sent == signal.SIGINT)
    assert lines(first) == PROBLEMS
    cut = lines(second)
    assert 3 <= cut < PROBLEMS
    assert not third.exists()
    returned, _, err = rsd("sweep", path)
    assert returned == 0
    assert "[1/3] alone: done" in err
    assert f"[2/3] low: {PROBLEMS - cut} to solve" in err
    assert answers(path) == whole


def lines(directory: Path) -> int:
    path = directory / TRAJECTORIES
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for_lines(directory: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while lines(directory) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
