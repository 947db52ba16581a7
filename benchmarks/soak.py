"""Kill the demo servers again and again under a run, and see that it comes to the same answers.

    python benchmarks/soak.py [--kills 10] [--problems 200] [--seed 0] [--ports D T P]

Three real servers, one undisturbed run, and then one under which a server, drawn by seed, is ended
by `kill -9` and started again: each time when a drawn share of the problems is finished. Takes a
quarter of an hour on two cores, most of it for starting servers. Leaves `results/soak.json`; exit
code 1 if a problem failed, is missing or doubled, or the run needed help.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.common import DEMO, ROOT, argument_parser, endpoints, say, write_result

from rsd.analysis import summarize
from rsd.config import Config, load
from rsd.records import TRAJECTORIES, RunRecord, read_run
from rsd.runs import identified
from rsd.serving import build, running
from rsd.serving.guard import children
from rsd.serving.supervisor import Supervisor
from rsd.types import ROLES, Role

START_S = 400.0
RUN_S = 3600.0


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="rsd-soak-") as folder:
        base = [*endpoints(options.ports)]
        base += [f"run.output_dir={folder}/runs", f"tasks.limit={options.problems}"]
        config = load(DEMO, base)
        commands = [build(config, role) for role in ROLES]
        with running(
            commands, log_dir=Path(folder) / "logs", timeout_s=START_S, announce=say
        ) as supervisor:
            say("the undisturbed run")
            alone, alone_s, _ = _run([*base, "name=undisturbed"], lambda _: None)
            chaos = Chaos(supervisor, config, options)
            if any(t.error for t in alone.trajectories.values()):
                say(f"it has failed problems; see rsd run {DEMO}")
                return 1
            say(f"the same among {options.kills} kills")
            among, among_s, told = _run([*base, "name=disturbed"], chaos)
        result = _compared(alone, among, options.problems) | {
            "kills": chaos.kills,
            "seconds_undisturbed": round(alone_s, 1),
            "seconds_disturbed": round(among_s, 1),
            "told_the_user": told,
        }
    result["whole"] = (
        len(chaos.kills) == options.kills
        and result["lines"] == result["problems"] == options.problems
        and result["failed"] == 0
    )
    say(f"{write_result('soak', result)}: {'whole' if result['whole'] else 'NOT whole'}")
    return 0 if result["whole"] else 1


class Chaos:
    """Called again and again while a run works; kills a server when its time has come.

    The times are shares of the problems, drawn at random, one in each of `kills` equal parts.
    """

    def __init__(self, supervisor: Supervisor, config: Config, options: argparse.Namespace) -> None:
        drawn = random.Random(options.seed)
        roles: list[Role] = [*ROLES, *drawn.choices(ROLES, k=max(0, options.kills - len(ROLES)))]
        drawn.shuffle(roles)
        # Problems finish in bursts, so the last kill comes well before the end.
        share = 0.8 * options.problems / options.kills
        self._due = [
            (int((number + drawn.random()) * share), role)
            for number, role in enumerate(roles[: options.kills])
        ]
        self._pause = drawn
        self._supervisor = supervisor
        self._commands = [build(config, role) for role in ROLES]
        self.kills: list[dict[str, Any]] = []

    def __call__(self, finished: int) -> None:
        if not self._due or finished < self._due[0][0]:
            return
        _, role = self._due.pop(0)
        time.sleep(self._pause.uniform(0.2, 2.0))  # not right after a problem's end
        (server,) = (it for it in self._supervisor.servers if it.command.role == role)
        process = children(server.guard.pid)[0]
        os.kill(process, signal.SIGKILL)
        say(f"kill -9 {process} ({role}), {finished} problems finished")
        server.guard.wait()
        clock = time.monotonic()
        self._supervisor.have(self._commands, START_S)
        down = round(time.monotonic() - clock, 1)
        self.kills.append({"role": role, "finished": finished, "seconds_to_answer": down})


def _run(overrides: list[str], meanwhile: Any) -> tuple[RunRecord, float, list[str]]:
    """`rsd run` to its end, by itself; with its seconds, and what it told of servers."""
    directory = identified(load(DEMO, overrides)).directory
    arguments = [part for override in overrides for part in ("-o", override)]
    clock = time.monotonic()
    with tempfile.TemporaryFile("w+") as stderr:
        command = [sys.executable, "-m", "rsd", "run", str(DEMO), *arguments]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr
        ) as process:
            try:
                while process.poll() is None:
                    meanwhile(_lines(directory))
                    if time.monotonic() - clock > RUN_S:
                        raise TimeoutError(f"no end after {RUN_S:.0f} s")
                    time.sleep(0.1)
            finally:
                process.kill()
        seconds = time.monotonic() - clock
        stderr.seek(0)
        told = [line.rstrip() for line in stderr if line.startswith("rsd: ")]
    summarize(directory)
    return read_run(directory), seconds, told


def _lines(directory: Path) -> int:
    path = directory / TRAJECTORIES
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _compared(alone: RunRecord, among: RunRecord, problems: int) -> dict[str, Any]:
    records = among.trajectories.values()
    same = [
        key
        for key, t in alone.trajectories.items()
        if among.trajectories[key].response == t.response
    ]
    verdicts = [
        key for key, grade in alone.grades.items() if among.grades[key].correct == grade.correct
    ]
    return {
        "asked": problems,
        "problems": len(among.trajectories),
        "lines": _lines(among.directory),
        "failed": sum(t.error is not None for t in records),
        "same_response": len(same),
        "same_verdict": len(verdicts),
        "right_undisturbed": sum(g.correct is True for g in alone.grades.values()),
        "right_disturbed": sum(g.correct is True for g in among.grades.values()),
        "problems_disturbed": sum(t.lost_seconds > 0 for t in records),
        "requests_asked_again": sum(t.retries for t in records),
        "seconds_lost_by_requests": round(sum(t.lost_seconds for t in records), 1),
    }


def _options() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--ports", type=int, nargs=3, metavar=("D", "T", "P"), help="of the servers"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
