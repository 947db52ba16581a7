"""Exit codes and what the terminal shows."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import PROBLEMS, Cluster

from rsd.cli import main as cli

Rsd = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def rsd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rsd:
    """Run the command in this process; gives exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rsd", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        code = exit_.value.code
        assert isinstance(code, int)
        return code, shown.out, shown.err

    return call


def test_a_run_prints_its_table_and_exits_0(rsd: Rsd, cluster: Cluster) -> None:
    code, out, err = rsd("run", cluster.path)
    assert code == 0
    assert "fake" in out
    assert f"{PROBLEMS}/{PROBLEMS} problems, accuracy 100.0%, " in err
    directory = cluster.config().directory
    assert (directory / "metrics.json").exists()
    assert (directory / "report.html").exists()


def test_failed_problems_exit_1_and_say_where(rsd: Rsd, cluster: Cluster) -> None:
    cluster.faults("draft").status = 400
    cluster.faults("draft").matching = "Ann has 12 pens"
    code, _, err = rsd("run", cluster.path)
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith(f"rsd: 1 of {PROBLEMS} solutions failed; rerun the command to try them")
    assert "; most often (1x): draft server at http://127.0.0.1" in last
    assert "answered 400: " in last


def test_the_error_of_a_strategy_of_ones_own_is_in_the_last_line(
    rsd: Rsd, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fragile.py").write_text(
        "class Fragile:\n"
        "    roles = ('draft',)\n"
        "    def __init__(self, parts):\n"
        "        self.bar = parts.decoding.options['bar']\n"
        "    async def decode(self, query):\n"
        "        raise ValueError('no steps today')\n"
        "        yield\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    mine = ("run", cluster.path, "-o", "decoding.strategy=fragile:Fragile")
    code, _, err = rsd(*mine, "-o", "decoding.options={bar: 1}")
    assert code == 1
    assert err.splitlines()[-1].endswith(
        f"; most often ({PROBLEMS}x): ValueError: no steps today, in fragile.py:6"
    )
    code, _, err = rsd(*mine)
    assert code == 2
    assert err.splitlines()[-1] == (
        "rsd: decoding.strategy: fragile:Fragile was not built: KeyError: 'bar', in fragile.py:4"
    )


def test_a_missing_model_directory_matters_while_something_is_owed(
    rsd: Rsd, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    gone = ("run", cluster.path, "-o", "models.prm.tokenizer=./gone")
    code, _, err = rsd(*gone)
    assert code == 2
    assert f"{cluster.path}: models.prm.tokenizer: ./gone: no such directory" in err
    elsewhere = ("-o", "models.target.model=./gone", "-o", "models.target.parameters=null")
    assert rsd("run", cluster.path, *elsewhere)[0] == 0
    assert "settings: models.target.model: ./gone: no such directory here" in caplog.text
    (cluster.path.parent / "tokenizer").rename(cluster.path.parent / "moved")
    assert rsd("run", cluster.path, *elsewhere)[0] == 0


def test_what_is_owed_is_told_without_a_server(rsd: Rsd, cluster: Cluster) -> None:
    directory = cluster.config().directory
    assert rsd("run", cluster.path, "--status") == (0, f"{directory}\t{PROBLEMS}\n", "")
    rsd("run", cluster.path)
    assert rsd("run", cluster.path, "--status") == (0, f"{directory}\t0\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "decoding.treshold=1"], "decoding.treshold: unknown key; did you mean threshold?"),
        (["-o", "tasks.names=[gsm9k]"], "tasks.names: no task 'gsm9k'; known: demo"),
        (["-o", "tasks.data_dir=nowhere"], "nowhere/demo/test.jsonl: no such file"),
        (["--frobnicate"], "No such option: --frobnicate"),
        (["--log-dir"], "--log-dir"),
    ],
)
def test_bad_usage_is_one_line_and_exits_2(
    rsd: Rsd, cluster: Cluster, arguments: list[str], message: str
) -> None:
    code, out, err = rsd("run", cluster.path, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("rsd: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize("seconds", ["soon", "inf", "0"])
def test_a_wrong_value_of_an_option_names_the_option(
    rsd: Rsd, tmp_path: Path, seconds: str
) -> None:
    code, _, err = rsd("serve", tmp_path / "none.yaml", "--timeout", seconds)
    assert (code, err.count("\n")) == (2, 1)
    assert "'--timeout'" in err


def test_a_server_that_is_down_is_one_line_and_exits_1(rsd: Rsd, cluster: Cluster) -> None:
    code, _, err = rsd("run", cluster.path, "-o", "models.prm.endpoint=http://127.0.0.1:9/v1")
    assert code == 1
    assert err.count("\n") == 1
    assert "cannot be reached" in err
    assert "rsd serve" in err


@pytest.mark.parametrize("option", [(), ("--status",), ("--serve",)])
def test_another_runs_directory_is_refused_before_anything_else(
    rsd: Rsd, cluster: Cluster, tmp_path: Path, option: tuple[str, ...]
) -> None:
    here = ("run", cluster.path, "--dir", tmp_path / "here")
    rsd(*here, "-o", "run.limit=1")
    code, out, err = rsd(*here, "-o", "decoding.threshold=0.9", *option)
    assert (code, out) == (2, "")
    assert "differs in decoding.threshold" in err


def test_a_missing_extra_is_installed_from_the_clone(
    rsd: Rsd, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    code, _, err = rsd("gateway", cluster.path)
    assert code == 2
    assert err == (
        "rsd: rsd gateway: prometheus_client is missing; in a clone of rsd: "
        "pip install -e '.[gateway]'\n"
    )


def test_nobody_is_told_to_install_rsd_from_an_index() -> None:
    """It is on none, so that the name there is anyone's."""
    texts = [*(ROOT / "rsd").rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    told = re.compile(r"pip install ['\"]?rsd\b")
    assert [path for path in texts if told.search(path.read_text(encoding="utf-8"))] == []


def test_doctor_prints_a_line_a_check(rsd: Rsd, cluster: Cluster) -> None:
    code, out, _ = rsd("doctor", cluster.path)
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == {"ok"}


def test_doctor_exits_1_on_a_failed_check(rsd: Rsd, cluster: Cluster) -> None:
    cluster.faults("prm").reward = float("nan")
    code, out, _ = rsd("doctor", cluster.path)
    assert code == 1
    assert "fail     prm rewards" in out


def test_grade_renews_the_grades(rsd: Rsd, cluster: Cluster) -> None:
    rsd("run", cluster.path)
    grades = cluster.config().directory / "grades.jsonl"
    before = sorted(grades.read_text().splitlines())
    grades.write_text("")
    code, out, _ = rsd("grade", cluster.config().directory)
    assert code == 0
    assert "fake" in out
    assert sorted(grades.read_text().splitlines()) == before


def test_tasks_tells_what_is_present(rsd: Rsd, cluster: Cluster, tmp_path: Path) -> None:
    code, out, _ = rsd("tasks", "--data-dir", tmp_path / "data")
    assert code == 0
    (demo,) = [line for line in out.splitlines() if line.startswith("demo")]
    assert str(tmp_path / "data" / "demo" / "test.jsonl") in demo
    assert "hub: openai/gsm8k" in out


def test_a_task_whose_file_cannot_be_read_is_listed_as_such(rsd: Rsd, tmp_path: Path) -> None:
    (tmp_path / "demo" / "test.jsonl").mkdir(parents=True)
    code, out, _ = rsd("tasks", "--data-dir", tmp_path)
    assert code == 0
    assert f"unreadable: {tmp_path / 'demo' / 'test.jsonl'}" in out


def test_a_place_that_may_not_be_read_is_named(
    rsd: Rsd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    code, _, err = rsd("report", tmp_path)
    assert (code, err) == (
        1,
        f"rsd: {tmp_path / 'config.yaml'}: cannot be read: Permission denied\n",
    )


def test_a_directory_that_is_no_run_is_named(rsd: Rsd, tmp_path: Path) -> None:
    code, _, err = rsd("report", tmp_path)
    assert code == 1
    assert err == f"rsd: {tmp_path}: not a run directory: it has no config.yaml\n"
    assert rsd("report", tmp_path / "nope")[2] == f"rsd: {tmp_path / 'nope'}: no such directory\n"


@pytest.mark.parametrize(
    "command",
    ["serve", "doctor", "run", "sweep", "grade", "report", "gateway", "tasks", "mock", ""],
)
def test_help_is_there(rsd: Rsd, command: str) -> None:
    code, out, _ = rsd(*command.split(), "--help")
    assert code == 0
    assert "Usage: rsd" in out
