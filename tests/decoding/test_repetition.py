"""Which solutions loop: the rule itself, and that every strategy keeps to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from decoding.worlds import EVERY, ROOMY, World, collect, loops, one_of_every, run, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.decoding.repetition import LONGEST_CYCLE, Repetition
from rsd.types import StopReason


def ends_at(steps: list[str], times: int = 5) -> int | None:
    """How many of `steps` a solution has when it loops; None if it never does."""
    state = Repetition()
    for count, step in enumerate(steps, start=1):
        state = state.after(step)
        if state.loops(times):
            return count
    return None


@pytest.mark.parametrize("mark", ["---", "$$", "***", "\\[", "", "…"])
def test_a_step_without_letter_or_digit_never_loops(mark: str) -> None:
    assert ends_at([mark] * 40) is None
    assert ends_at([mark, "===", "* * *"] * 40) is None


def test_equal_steps_that_do_not_follow_each_other_are_no_loop() -> None:
    steps = [part for n in range(9) for part in ("Simplify:", f"x = {n}", "---")]
    assert ends_at(steps) is None


def test_the_same_step_in_a_row_is_a_loop() -> None:
    assert ends_at(["Let me check.", *["x = 1"] * 9]) == 6
    assert ends_at(["x = 1"] * 4) is None
    assert ends_at(["答えは"] * 9) == 5


@pytest.mark.parametrize("period", range(1, LONGEST_CYCLE + 1))
def test_a_cycle_in_a_row_is_a_loop(period: int) -> None:
    cycle = [f"step {n}" for n in range(period)]
    assert ends_at(["begin", *cycle * 9]) == 1 + 5 * period


def test_dividers_may_be_part_of_a_cycle() -> None:
    assert ends_at(["Wait, again.", "---"] * 9) == 10


def test_a_longer_cycle_is_not_looked_for() -> None:
    assert ends_at([f"step {n}" for n in range(LONGEST_CYCLE + 1)] * 9) is None


@pytest.mark.parametrize("fence", ["```", "~~~~", "   ```"])
def test_equal_steps_of_a_code_block_are_no_loop(fence: str) -> None:
    block = [f"{fence}python\nx = 0", *["x += 1"] * 9, f"print(x)\n{fence}"]
    assert ends_at(block) is None
    assert ends_at(["Run it:", f"{fence}\nx = 1\n{fence}"] * 9) is None


def test_after_a_code_block_loops_are_loops() -> None:
    assert ends_at(["```python\nx = 1\n```", *["So x = 1."] * 9]) == 6
    assert ends_at(["```output", "`````", *["So x = 1."] * 9]) == 7


def test_only_a_fence_of_its_kind_closes_a_code_block() -> None:
    assert ends_at(["````", "```", "~~~", "```` more", *["x += 1"] * 9]) is None
    assert ends_at(["```inline``` is no fence", *["x += 1"] * 9]) == 6


def test_equal_rows_of_a_table_are_no_loop() -> None:
    assert ends_at(["| a | b |", "|---|---|", *["| 1 | 0 |"] * 9]) is None
    assert ends_at(["Look:", "| a |\n|---|\n| 1 |"] * 9) is None


STEPS = st.lists(
    st.sampled_from(["a", "b", "c", "---", "```", "```\nx\n```", "| 1 |"]), max_size=40
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, times=st.integers(1, 4))
def test_the_rule_is_its_definition(steps: list[str], times: int) -> None:
    found = next((n for n in range(1, len(steps) + 1) if loops(steps[:n], times)), None)
    assert ends_at(steps, times) == found


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_strategy_ends_a_loop_and_not_what_only_looks_like_one(name: str) -> None:
    limits = replace(ROOMY, max_repeats=3, max_steps=20)
    parts = {"loop": ["a", "b"] * 9, "well": ["---", "x", "---", "y", "---", "z", "---"]}
    for kind, script in parts.items():
        world = World(1, token_ids=True, script=script)
        steps = run(collect(one_of_every(world, name, limits=limits)))
        ended = StopReason.REPETITION if kind == "loop" else StopReason.EOS
        assert (steps[-1].ends, len(texts(steps))) == (ended, 6 if kind == "loop" else 7)


def test_a_rule_of_hundreds_of_steps_reads_each_once() -> None:
    """The state that decides has the same size after every step."""
    state = Repetition()
    for number in range(500):
        state = state.after(f"step {number}")
    assert len(state.recent) == len(state.runs) == LONGEST_CYCLE
