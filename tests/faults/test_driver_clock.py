"""What steps of the system clock do to the time that a run is said to take."""

from __future__ import annotations

import time

import pytest
from analysis.made_up_runs import solution

from rsd import clock
from rsd.analysis.timing import session_seconds
from rsd.records import Session, TrajectoryRecord


def worked(start: float, seconds: float) -> TrajectoryRecord:
    return solution(str(start), []).model_copy(update={"started_at": start, "seconds": seconds})


def session(start: float, end: float | None) -> Session:
    return Session(started_at=start, ended_at=end, concurrency=1)


def test_a_step_within_a_process_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before = clock.unix_time()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock.unix_time() >= before


def test_a_session_that_began_before_the_one_before_it() -> None:
    sessions = [session(1000, 1100), session(900, 950)]
    trajectories = [worked(1010, 20), worked(1080, 20), worked(910, 30)]
    assert session_seconds(sessions, trajectories) == 100 + 50


def test_a_killed_session_after_which_the_clock_went_back() -> None:
    sessions = [session(1000, None), session(900, 950)]
    trajectories = [worked(1010, 20), worked(1080, 20), worked(910, 30)]
    assert session_seconds(sessions, trajectories) == 100 + 50


@pytest.mark.parametrize("ended_at", [400.0, 1000.0])
def test_a_session_that_ended_before_its_problems_counts_their_own_time(ended_at: float) -> None:
    trajectories = [worked(1010, 20), worked(1020, 30)]
    assert session_seconds([session(1000, ended_at)], trajectories) == 40
