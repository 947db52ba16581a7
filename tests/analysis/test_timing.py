from __future__ import annotations

import pytest
from analysis.made_up_runs import draft, solution, target
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.analysis.timing import active_seconds, busy_shares, session_seconds, union_length
from rsd.records import Session, StepRecord

spans = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda it: (it[0], it[0] + it[1])),
    max_size=15,
)


@settings(deadline=None)
@given(spans)
def test_union_counts_each_second_once(spans):
    assert union_length(spans) == len({s for start, end in spans for s in range(start, end)})


def at(step: StepRecord, started_at: float, seconds: float, **fields: float) -> StepRecord:
    return step.model_copy(update={"started_at": started_at, "seconds": seconds} | fields)


def test_busy_is_the_union_of_requests_of_all_problems():
    first = at(draft(0, False, 20, 4, 17, 5), 0, 4, score_started_at=4, score_seconds=1)
    second = at(draft(0, True, 20, 4, 17, 5), 2, 4, score_started_at=9, score_seconds=1)
    written = at(target(0, 20, 6), 5, 5)
    busy = busy_shares([solution("1", [first, written]), solution("2", [second])], 20)
    # Draft 0-4 and 2-6; PRM 4-5 and 9-10; target 5-10; of 20 seconds.
    assert busy == {"draft": 6 / 20, "prm": 2 / 20, "target": 5 / 20}


def test_a_server_without_requests_has_no_busy_share():
    assert busy_shares([solution("1", [target(0, 20, 6)])], 2) == {
        "draft": None,
        "prm": None,
        "target": 0.5,
    }


def test_working_time_is_the_sum_of_sessions_that_worked():
    trajectories = [
        solution("1", [], started_at=101, seconds=4),
        solution("2", [], started_at=102, seconds=6),
        solution("3", [], started_at=201, seconds=2),
    ]
    killed = Session(started_at=100, concurrency=1)  # its last trajectory ends at 108
    resumed = Session(started_at=200, ended_at=205, concurrency=1)
    idle = Session(started_at=900, ended_at=950, concurrency=1)  # nothing was owed
    assert session_seconds([resumed, killed, idle], trajectories) == pytest.approx(8 + 5)
    assert session_seconds([], trajectories) == active_seconds(trajectories)
    assert active_seconds(trajectories) == pytest.approx(7 + 2)
