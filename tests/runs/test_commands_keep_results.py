"""No command but a retry changes what a run achieved; none that reads imports what a run names."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from cluster import PROBLEMS, Cluster
from read_only import read_only

from rsd.backends import Backoff, Server
from rsd.cli import main as cli
from rsd.records import CONFIG, MANIFEST, METRICS, TRAJECTORIES, read_run

Rsd = Callable[..., int]

REWARDED = "decoding.threshold=.inf"  # every problem asks the target, which fails at one of them
DEAD = "models.prm.endpoint=http://127.0.0.1:9/v1"


@pytest.fixture
def rsd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rsd:
    """`rsd` with arguments, in this process; gives the exit code."""
    monkeypatch.setattr(Server, "backoff", Backoff(first_s=0.001, most_s=0.001))

    def call(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["rsd", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        assert isinstance(exit_.value.code, int)
        return exit_.value.code

    return call


@pytest.fixture
def directory(cluster: Cluster, rsd: Rsd) -> Path:
    """A run of which one problem failed."""
    faults = cluster.faults("target")
    faults.status, faults.matching = 400, "Ann has 13 pens"
    assert rsd("run", cluster.path, "-o", REWARDED) == 1
    return cluster.config(REWARDED).directory


def achieved(directory: Path) -> dict[str, object]:
    """All that a table counts of a run."""
    run = read_run(directory)
    overall = json.loads((directory / METRICS).read_bytes())["overall"]
    counts = {key: overall[key] for key in ("n", "asked", "errors", "accuracy", "accuracy_paper")}
    errors = {key for key, it in run.trajectories.items() if it.error is not None}
    verdicts = {key: (it.correct, it.correct_paper, it.how) for key, it in run.grades.items()}
    return counts | {"failed": errors, "verdicts": verdicts}


def files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("seed", range(3))
def test_no_sequence_of_commands_loses_a_record_or_a_count(
    cluster: Cluster, rsd: Rsd, directory: Path, tmp_path: Path, seed: int
) -> None:
    path, page = directory / TRAJECTORIES, tmp_path / "page" / "report.html"
    page.parent.mkdir()
    run = ("run", cluster.path, "-o", REWARDED)
    commands: dict[str, tuple[tuple[object, ...], int]] = {
        "a run against a dead server": ((*run, "-o", DEAD), 1),
        "status": ((*run, "--status"), 0),
        "grade": (("grade", directory), 0),
        "report": (("report", directory), 0),
        "page": (("report", directory, "--html", page), 0),
        "data": (("report", directory, "--json"), 0),
        "calibrate": (("calibrate", directory), 0),
    }
    before, lines = achieved(directory), path.read_bytes()
    assert before["n"] == PROBLEMS
    assert before["errors"] == 1
    dice = random.Random(seed)
    path.write_bytes(lines + b'{"task": "de' * dice.choice([0, 1]))  # as a kill leaves it
    kept = path.read_bytes()
    for name in dice.choices(list(commands), k=8):
        arguments, code = commands[name]
        frozen = name not in ("grade", "a run against a dead server") and dice.random() < 0.5
        with read_only(directory) if frozen else nullcontext():
            assert rsd(*arguments) == code, name
        assert path.read_bytes() == kept, name
        assert achieved(directory) == before, name

    assert rsd(*run) == 1  # a retry that fails again adds a line
    assert path.read_bytes().startswith(lines)
    assert path.read_bytes().count(b"\n") == PROBLEMS + 1
    assert achieved(directory) == before

    cluster.faults("target").status = None
    assert rsd(*run) == 0
    assert path.read_bytes().startswith(lines)
    assert path.read_bytes().count(b"\n") == PROBLEMS + 2
    after = achieved(directory)
    assert (after["n"], after["errors"], after["failed"]) == (PROBLEMS, 0, set())
    assert len(read_run(directory).grades) == PROBLEMS


def test_a_failed_preflight_changes_and_makes_nothing(
    cluster: Cluster, rsd: Rsd, directory: Path, tmp_path: Path
) -> None:
    before = files(tmp_path / "runs")
    assert rsd("run", cluster.path, "-o", REWARDED, "-o", DEAD) == 1
    assert rsd("run", cluster.path, "-o", "name=new", "-o", DEAD) == 1
    assert files(tmp_path / "runs") == before
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [directory.name]


def test_grading_a_read_only_run_is_refused_in_one_line(
    rsd: Rsd, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def told(message: str, code: int) -> int:
        said.append(message)
        return code

    monkeypatch.setattr(cli, "_fail", told)
    before = files(directory)
    with read_only(directory):
        assert rsd("grade", directory) == 1
    assert said == [
        f"{directory}: cannot be written: Read-only file system; choose a writable directory"
    ]
    assert files(directory) == before


def test_a_command_that_reads_a_run_imports_nothing_that_it_names(
    cluster: Cluster, rsd: Rsd, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, name = tmp_path / "marker", "names_in_a_run_of_a_test:Mine"
    code = f"open({str(marker)!r}, 'w').close()\nclass Mine:\n    roles = ('draft',)\n"
    (tmp_path / "names_in_a_run_of_a_test.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    config = cluster.config(REWARDED, f"decoding.strategy={name}")
    run = directory.rename(config.directory)
    (run / CONFIG).write_text(config.dump())
    manifest = json.loads((run / MANIFEST).read_text()) | {"digest": config.digest}
    (run / MANIFEST).write_text(json.dumps(manifest))
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        f"name: s\nbase: {cluster.path.name}\npoints:\n  - decoding.strategy: {name}\n"
    )

    assert rsd("report", run) == 0
    assert rsd("report", run, run, "--json") == 0
    assert rsd("report", run, "--html", tmp_path / "page.html", "--paper") == 0
    assert rsd("calibrate", run) == 2  # this strategy has no rewards to calibrate on
    assert rsd("grade", run) == 0
    own = ("-o", REWARDED, "-o", f"decoding.strategy={name}")
    assert rsd("run", cluster.path, *own, "--status") == 0
    assert rsd("sweep", sweep, "--status") == 0
    assert not marker.exists()

    assert rsd("doctor", cluster.path, *own) == 0
    assert marker.exists()
