"""Draft-only and target-only."""

from __future__ import annotations

import pytest
from decoding.worlds import PROMPT, WARM, collect, run, single, texts

from rsd.errors import ContextError
from rsd.testing import ScriptedGenerator
from rsd.types import Source, StopReason


@pytest.mark.parametrize("source", ["draft", "target"])
def test_one_model_writes_all_steps_and_nothing_is_scored(source: Source) -> None:
    steps = run(collect(single(ScriptedGenerator({PROMPT: ["a", "b", "c"]}), source)))
    assert texts(steps) == ["a", "b", "c"]
    assert [s.index for s in steps] == [0, 1, 2]
    assert [s.ends for s in steps] == [None, None, StopReason.EOS]
    assert {(s.source, s.accepted, s.score) for s in steps} == {(source, True, None)}


def test_prefixes_grow_by_token_ids_where_there_are_any() -> None:
    generator = ScriptedGenerator({PROMPT: ["a", "b"]}, token_ids=True)
    first, _ = run(collect(single(generator)))
    completion = first.completion
    assert completion.prompt_token_ids is not None
    assert completion.token_ids is not None
    assert generator.calls[1].prefix.token_ids == completion.prompt_token_ids + completion.token_ids


def test_draft_and_target_draw_different_seeds() -> None:
    seeds = []
    for source in ("draft", "target"):
        generator = ScriptedGenerator({PROMPT: ["a", "b"]})
        run(collect(single(generator, source, sampling=WARM)))
        seeds += [call.sampling.seed for call in generator.calls]
    assert len(set(seeds)) == 4


def test_a_prompt_that_does_not_fit_is_an_error() -> None:
    generator = ScriptedGenerator({PROMPT: ["a"]}, context=len(PROMPT))
    with pytest.raises(ContextError):
        run(collect(single(generator)))
