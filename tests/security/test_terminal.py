"""What a model, a server or a file says cannot steer the terminal or the program that shows it."""

from __future__ import annotations

import asyncio
import csv
import io
import logging
from pathlib import Path

import pytest
from analysis.made_up_runs import grade, solution, target, three_solutions, write_run
from cluster import Cluster

from rsd.analysis import analyze, render_table
from rsd.analysis.calibration import calibrate
from rsd.analysis.calibration.table import render_calibration
from rsd.analysis.export import write_tables
from rsd.cli.main import _Printable
from rsd.config import Config
from rsd.errors import BackendError, ConfigError, RsdError, printable
from rsd.records import read_run
from rsd.runs.preflight import preflight

ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2028next\r\nrsd: all is well\x00"


def test_what_is_printable_stays_and_what_steers_is_shown() -> None:
    assert printable("δ=0.9 → 漢字 ✓ é a\u00a0b") == "δ=0.9 → 漢字 ✓ é a\u00a0b"
    assert printable(ATTACK).isprintable()
    assert printable("\x1b[31m\ud800\n\tb") == r"\x1b[31m\ud800  b"
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize("kind", [RsdError, ConfigError, BackendError])
def test_errors_are_one_printable_line(kind: type[RsdError]) -> None:
    shown = str(kind(f"draft server: {ATTACK}"))
    assert shown.isprintable()
    assert shown.startswith("draft server: ")
    assert str(kind(shown)) == shown  # told again, as the cause of another


def test_log_lines_are_printable(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError(ATTACK)
    except ValueError:
        logging.getLogger("rsd").exception("the server says: %s", ATTACK)
    shown = _Printable("%(message)s").format(caplog.records[0])
    assert "Traceback" in shown
    assert all(line.replace("\t", "").isprintable() for line in shown.split("\n"))


def test_a_servers_words_come_printable_into_an_error(cluster: Cluster) -> None:
    def says(config: Config) -> str:
        with pytest.raises(RsdError) as refused:
            asyncio.run(preflight(config))
        return str(refused.value)

    cluster.apps["draft"].state.engine.served_name = ATTACK
    assert says(cluster.config()).isprintable()


def test_the_table_is_printable(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", [solution(ATTACK, [target(0, 20, 10)])], [grade(ATTACK, True)])
    manifest = run / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"made-up"', r'"\u001b[2J\u202e"'))
    text = render_table([analyze(read_run(run))])
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_calibration_is_printable(tmp_path: Path) -> None:
    directory = tmp_path / f"run-{ATTACK[:-1]}"  # a name of a file holds all but a zero byte
    run = write_run(directory, three_solutions(), [grade("1", True), grade("2", False)])
    text = render_calibration(calibrate(read_run(run)))
    assert text.startswith(r"run-\x1b]0;owned\x07")
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_takes_no_name_for_a_formula(name: str, tmp_path: Path) -> None:
    solved = solution(name, [target(0, 20, 10)], level=name)
    run = write_run(tmp_path / "r", [solved], [grade(name, True)])
    write_tables([analyze(read_run(run))], tmp_path / "tables")
    for path in (tmp_path / "tables").glob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")):
            assert name not in row
