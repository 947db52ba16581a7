"""`rsd report` on a place that is not what it seems: one line and an exit code."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from analysis.made_up_runs import grade, three_solutions, write_run

from rsd.cli import main as cli
from rsd.records import CONFIG, GRADES, MANIFEST, TRAJECTORIES

BINARY = bytes(range(256)) * 20


def _directory(path: Path) -> None:
    path.mkdir()


def _binary(path: Path) -> None:
    path.write_bytes(BINARY + b"\n")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _nested(path: Path) -> None:
    path.write_bytes(b"[" * 100_000 + b"\n")


def _huge(path: Path) -> None:
    path.write_bytes(b'{"n": ' + b"9" * 5000 + b"}\n")


def _prose(path: Path) -> None:
    path.write_text("once upon a time\n")


ODD: tuple[Callable[[Path], None], ...] = (*(_directory, _binary, _loop, _nested, _huge, _prose),)


def told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Exit code and stderr of `rsd report PLACE`."""
    monkeypatch.setattr("sys.argv", ["rsd", "report", str(place)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("name", [CONFIG, MANIFEST, TRAJECTORIES, GRADES])
@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_a_run_one_of_whose_files_is_another_thing(
    name: str,
    make: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = write_run(tmp_path / "run", three_solutions(), [grade("1", True)])
    (run / name).unlink()
    make(run / name)
    code, err = told(run, monkeypatch, capsys)
    assert code in (1, 2)
    assert err.startswith("rsd: ")
    assert err.count("\n") == 1
    assert str(run) in err


def test_a_directory_of_runs_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    for name in ("a", "b"):
        write_run(sweep / name, three_solutions(), [grade("1", True)])
    code, err = told(sweep, monkeypatch, capsys)
    assert (code, err) == (
        1,
        f"rsd: {sweep}: not a run directory: it has no config.yaml; it contains runs, give these: "
        f"{sweep}/*\n",
    )


@pytest.mark.parametrize("kind", ["a file", "empty", "other things", "a long name", "a loop"])
def test_what_is_no_run_is_one_line(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / ("x" * 5000 if kind == "a long name" else "place")
    if kind == "a file":
        place.write_bytes(BINARY)
    elif kind == "a loop":
        _loop(place)
    elif kind != "a long name":
        place.mkdir()
    if kind == "other things":
        shutil.copy(__file__, place)
        (place / "more").mkdir()
    code, err = told(place, monkeypatch, capsys)
    assert code == 1
    assert err.startswith("rsd: ")
    assert err.count("\n") == 1
