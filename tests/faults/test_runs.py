"""`rsd run` while its servers fail: what the user sees, and what is left on disk."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from broken import FAULTS, Fault
from cluster import PROBLEMS, Cluster
from fault_proxy import Change, FaultProxy, Schedule
from faults.conftest import Disturbed
from faults.test_changed_servers import swapped

from rsd.cli import main as cli
from rsd.records import METRICS, TRAJECTORIES, RunRecord, read_run
from rsd.testing.tokenizers import ByteTokenizer
from rsd.types import Role

pytestmark = pytest.mark.timeout(120)  # no hang


@dataclass(frozen=True)
class Ended:
    """What a command ended with, and all that it told the user, warnings included."""

    code: int
    told: str


Rsd = Callable[..., Ended]


@pytest.fixture
def rsd(
    disturbed: Disturbed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Rsd:
    """`rsd run` on the disturbed cluster, in this process."""

    def call(*overrides: str) -> Ended:
        arguments = ["run", str(disturbed.cluster.path), *disturbed.arguments(*overrides)]
        monkeypatch.setattr("sys.argv", ["rsd", *arguments])
        caplog.clear()
        with caplog.at_level(logging.WARNING), pytest.raises(SystemExit) as exit_:
            cli.main()
        shown = capsys.readouterr()
        told = "\n".join([shown.out, shown.err, *(r.getMessage() for r in caplog.records)])
        assert "Traceback" not in told
        assert isinstance(exit_.value.code, int)
        return Ended(exit_.value.code, told)

    return call


def when_begun(disturbed: Disturbed, act: Callable[[], None]) -> None:
    """Have the draft `act` once, before the first answer that it gives after a problem of the
    next run is stored."""
    path = disturbed.config().directory / TRAJECTORIES
    faults = disturbed.cluster.faults("draft")

    def look() -> bool:
        if path.exists() and path.stat().st_size:
            faults.held = lambda: False
            act()
        return False

    faults.held = look


class Once(Schedule):
    """Breaks the next request, and none after it."""

    def __init__(self, kind: Fault) -> None:
        super().__init__(seed=0, rate=1, kinds=[kind])
        self._over = False

    def draw(self, path: str, body: bytes) -> Fault | None:
        fault = None if self._over else super().draw(path, body)
        self._over = True
        return fault


def gone_for(proxy: FaultProxy, seconds: float) -> Callable[[], None]:
    """Let nothing listen for so long, from the next request on."""

    def act() -> None:
        proxy.down_s = seconds
        proxy.schedule = Once("down")

    return act


def record(disturbed: Disturbed) -> RunRecord:
    return read_run(disturbed.config().directory)


def right(run: RunRecord) -> int:
    return sum(grade.correct is True for grade in run.grades.values())


def overall(run: RunRecord) -> dict[str, object]:
    metrics = json.loads((run.directory / METRICS).read_bytes())["overall"]
    assert isinstance(metrics, dict)
    return metrics


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_among_faults_tells_of_nothing_but_its_results(
    rsd: Rsd, disturbed: Disturbed, seed: int
) -> None:
    slow = ("down", "stall", "stalled midway", "trickle")  # a preflight does not wait for these
    kinds = [fault for fault in FAULTS if fault not in slow]
    for number, proxy in enumerate(disturbed.proxies.values()):
        proxy.schedule = Schedule(3 * seed + number, rate=0.15, kinds=kinds)
    ended = rsd(*(f"models.{role}.timeout_s=20" for role in disturbed.proxies))
    assert ended.code == 0, ended.told
    assert "failed" not in ended.told
    run = record(disturbed)
    assert right(run) == len(run.trajectories) == PROBLEMS
    assert overall(run)["disturbed"] == sum(t.retries > 0 for t in run.trajectories.values()) > 0


@pytest.mark.parametrize("role", ["draft", "target", "prm"])
def test_a_lost_server_is_waited_for(rsd: Rsd, disturbed: Disturbed, role: str) -> None:
    proxy = disturbed.proxies[role]
    when_begun(disturbed, gone_for(proxy, 1))
    ended = rsd()
    assert ended.code == 0, ended.told
    assert ended.told.count("waiting for a server (Ctrl-C to stop)") == 1
    assert ended.told.count(f"{role} server at http://127.0.0.1:{proxy.port}/v1 is back") == 1
    run = record(disturbed)
    assert right(run) == len(run.trajectories) == PROBLEMS
    lost = [t for t in run.trajectories.values() if t.lost_seconds]
    assert lost
    assert overall(run)["disturbed"] == len(lost)


def test_with_fail_a_lost_server_costs_its_problems_and_no_others(
    rsd: Rsd, disturbed: Disturbed
) -> None:
    fail = "run.on_server_loss=fail"
    when_begun(disturbed, gone_for(disturbed.proxies["draft"], 600))
    ended = rsd(fail)
    run = record(disturbed)
    failed = sum(t.error is not None for t in run.trajectories.values())
    assert 0 < failed < PROBLEMS
    assert len(run.trajectories) == len(run.grades) == PROBLEMS
    assert ended.code == 1
    assert f"{failed} of {PROBLEMS} solutions failed; rerun the command to try them" in ended.told
    assert f"{failed} failed" in ended.told
    assert overall(run)["errors"] == failed
    assert overall(run)["accuracy"] == (PROBLEMS - failed) / PROBLEMS
    assert overall(run)["accuracy_without_errors"] == 1.0


def test_a_server_with_another_model_ends_the_run(rsd: Rsd, disturbed: Disturbed) -> None:
    proxy = disturbed.proxies["draft"]

    def replace() -> None:
        proxy.model = "another"
        gone_for(proxy, 0.1)()

    when_begun(disturbed, replace)
    ended = rsd()
    assert ended.code == 1
    assert "draft server at" in ended.told
    assert "serves another with a context of" in ended.told
    before = record(disturbed)
    assert 0 < len(before.trajectories) < PROBLEMS
    assert all(t.error is None for t in before.trajectories.values())

    proxy.model = None
    assert rsd().code == 0
    assert right(record(disturbed)) == PROBLEMS


def test_a_server_that_is_not_there_at_the_start_ends_the_run_at_once(
    rsd: Rsd, disturbed: Disturbed
) -> None:
    ended = rsd("models.prm.endpoint=http://127.0.0.1:9/v1")
    assert ended.code == 1
    assert "prm server: http://127.0.0.1:9/v1: cannot be reached (Connection refused)" in ended.told
    assert not disturbed.config().directory.exists()


def test_an_answer_that_stays_unusable_costs_its_problem_only(
    rsd: Rsd, disturbed: Disturbed, cluster: Cluster
) -> None:
    faults = cluster.faults("target")
    faults.status, faults.matching = 500, "Ann has 13 pens"
    assert rsd("decoding.strategy=target").code == 1
    run = read_run(disturbed.config("decoding.strategy=target").directory)
    (failed,) = [t for t in run.trajectories.values() if t.error]
    assert failed.problem_id == "p3"
    assert failed.retries == 2
    assert "answered 500" in str(failed.error)


def test_the_log_of_a_run_is_whole(rsd: Rsd, disturbed: Disturbed) -> None:
    when_begun(disturbed, gone_for(disturbed.proxies["prm"], 0.2))
    rsd()
    lines = Path(record(disturbed).directory / TRAJECTORIES).read_text().splitlines()
    assert len({json.loads(line)["problem_id"] for line in lines}) == len(lines) == PROBLEMS


def absurd(path: str, part: str, literal: str, only: str = "") -> Change:
    """Put `literal` in the place of every field `part` of the answers at `path` to what has `only`
    in its prompt."""

    def change(asked_path: str, asked: bytes, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        if asked_path != path or (only and only not in " ".join(prompts(asked))):
            return head, body
        answer = re.sub(rf'"{part}":(\[[^\]]*\]|[^,}}]*)', f'"{part}":{literal}', body.decode())
        return head, answer.encode()

    return change


def prompts(asked: bytes) -> list[str]:
    """What a request asks about, as text."""
    body = json.loads(asked)
    found = body.get("input", body.get("prompt"))
    several = found if isinstance(found, list) and isinstance(found[0], list) else [found]
    return [each if isinstance(each, str) else ByteTokenizer().decode(each) for each in several]


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("role", "path", "part", "literal"),
    [
        ("draft", "/v1/completions", "completion_tokens", HUGE),
        ("draft", "/v1/completions", "completion_tokens", "1e400"),
        ("draft", "/v1/completions", "completion_tokens", "-10206"),
        ("draft", "/v1/completions", "token_ids", '[null, "x", {}]'),
        ("draft", "/v1/completions", "token_ids", f"[-1, {HUGE}]"),
        ("draft", "/v1/completions", "model", '"another"'),
        ("prm", "/classify", "probs", f"[{HUGE}]"),
        ("prm", "/classify", "probs", "[true]"),
        ("prm", "/classify", "index", "1e400"),
        ("prm", "/classify", "index", "9" * 5000),
    ],
)
def test_an_absurd_figure_costs_its_problem_only(
    rsd: Rsd, disturbed: Disturbed, role: Role, path: str, part: str, literal: str
) -> None:
    disturbed.proxies[role].change = absurd(path, part, literal, "Ann has 13 pens")
    assert rsd("decoding.lookahead=0").code == 1
    run = record(disturbed)
    (failed,) = [t for t in run.trajectories.values() if t.error]
    assert failed.problem_id == "p3"
    assert str(failed.error).startswith(f"{role} server at http://127.0.0.1:")
    assert right(run) == PROBLEMS - 1


@pytest.mark.parametrize(
    ("part", "literal"),
    [("max_model_len", "1e400"), ("max_model_len", HUGE), ("id", "7"), ("root", "[]")],
)
def test_an_absurd_description_ends_the_run_before_its_first_problem(
    rsd: Rsd, disturbed: Disturbed, part: str, literal: str
) -> None:
    disturbed.proxies["target"].change = absurd("/v1/models", part, literal)
    ended = rsd()
    assert ended.code == 1
    assert "/v1/models is not as vLLM answers it: data[0]." in ended.told
    assert "target server: http://127.0.0.1:" in ended.told


@pytest.mark.parametrize(
    "literal", [HUGE + ".0", "1e400", "NaN", "-5.0", "9" * 5000], ids=lambda it: it[:5]
)
def test_absurd_counters_cost_nothing_but_the_counts(
    rsd: Rsd, disturbed: Disturbed, literal: str
) -> None:
    def change(path: str, _: bytes, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        if path == "/metrics":
            body = re.sub(rb"} \S+", b"} " + literal.encode(), body)
        return head, body

    for proxy in disturbed.proxies.values():
        proxy.change = change
    assert rsd("run.concurrency=auto").code == 0
    run = record(disturbed)
    assert right(run) == PROBLEMS
    assert run.manifest.sessions[-1].served == {}


def test_ids_that_contradict_the_text_end_the_run_before_its_first_problem(
    rsd: Rsd, disturbed: Disturbed
) -> None:
    disturbed.proxies["draft"].change = swapped
    assert "is not that of its token ids" in rsd().told
