from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rsd.gateway.answering.stops import GrowingText

TEXT = st.text("ab\n", max_size=12)


@given(st.lists(TEXT, max_size=6), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3))
def test_what_is_released_is_the_text_before_the_first_stop(
    pieces: list[str], stops: list[str]
) -> None:
    growing = GrowingText(stops)
    sent = "".join([*(growing.add(piece) for piece in pieces), growing.end()])
    whole = "".join(pieces)
    ends = [at for stop in stops if (at := whole.find(stop)) >= 0]
    assert growing.stopped == bool(ends)
    assert growing.text == sent
    # A stop that is complete earlier may begin later than a longer one that was never finished.
    assert whole.startswith(sent)
    assert not any(stop in sent for stop in stops)
    if not ends:
        assert sent == whole


@given(TEXT, st.text("ab\n", min_size=1, max_size=4))
def test_nothing_is_released_that_a_stop_could_take_back(text: str, stop: str) -> None:
    growing = GrowingText([stop])
    sent = growing.add(text)
    for rest in range(1, len(stop) + 1):
        if (text + stop[-rest:]).endswith(stop):
            assert (text + stop[-rest:]).find(stop) >= len(sent)
