"""What the process reward model is trained on: spoiled and sampled steps and their encoding."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from demo_family.checking import check_steps
from demo_family.compound_stories import FAMILIES
from demo_family.corruption import near_miss, worked_solution
from demo_family.data import group_by_length, padded_size
from demo_family.labelling import Labeller, tokens_before_error
from demo_family.modeling import CausalLM, ModelShape
from demo_family.prm import INNER_WEIGHT, encode_solution
from demo_family.problems import draw_problem
from demo_family.tokenizer import load_tokenizer, reward_prompt_of, separator_id
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TINY = ModelShape(960, 32, 1, 1, 1, 32)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(ROOT / "data" / "demo" / "draft")


@given(number=st.integers(1, 9_999), seed=st.integers(0, 2**32))
def test_a_near_miss_is_another_positive_number(number: int, seed: int) -> None:
    found = near_miss(random.Random(seed), number)
    assert found > 0
    assert found != number


def test_spoiled_solutions_are_labelled_by_the_checker(tokenizer: Tokenizer) -> None:
    rng = random.Random(1)
    wrong = 0
    for _ in range(200):
        problem = draw_problem(rng, FAMILIES)
        solution = worked_solution(rng, tokenizer, problem, spoiled_share=1.0)
        texts = [tokenizer.decode(list(step)) for step in solution.steps]
        assert list(solution.verdicts) == check_steps(problem, texts)
        assert all(solution.verdicts[:-1])
        wrong += not solution.verdicts[-1]
    assert wrong >= 190


def test_unspoiled_solutions_are_right(tokenizer: Tokenizer) -> None:
    rng = random.Random(2)
    problem = draw_problem(rng, FAMILIES)
    solution = worked_solution(rng, tokenizer, problem, spoiled_share=0.0)
    assert [tokenizer.decode(list(step)) for step in solution.steps] == problem.step_texts
    assert all(solution.verdicts)


def test_tokens_before_an_error() -> None:
    assert tokens_before_error([1, 2, 9, 4], [1, 2, 3, 4]) == 2
    assert tokens_before_error([1, 2], [1, 2, 3]) == 2
    assert tokens_before_error([9], [1]) == 0


def test_a_solution_is_encoded_as_skywork_does(tokenizer: Tokenizer) -> None:
    rng = random.Random(3)
    problem = draw_problem(rng, FAMILIES)
    solution = worked_solution(rng, tokenizer, problem, spoiled_share=1.0)
    item = encode_solution(tokenizer, solution)
    prompt = tokenizer.encode(reward_prompt_of(problem.question)).ids
    expected = list(prompt)
    for step in solution.steps:
        expected += [*step, separator_id(tokenizer)]
    assert item.ids == expected
    assert [item.ids[place] for place in item.scored] == [separator_id(tokenizer)] * len(
        solution.steps
    )
    assert [item.verdicts[place] for place in item.scored] == list(map(float, solution.verdicts))
    assert [item.weights[place] for place in item.scored] == [1.0] * len(solution.steps)
    assert set(item.weights[: len(prompt)]) == {0.0}
    assert set(item.weights[len(prompt) :]) == {1.0, INNER_WEIGHT}
    lengths = {len(item.ids), len(item.verdicts), len(item.weights), len(item.language_weights)}
    assert len(lengths) == 1


def test_sampled_steps_are_labelled_by_the_checker(tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    rng = random.Random(4)
    problems = [draw_problem(rng, FAMILIES) for _ in range(3)]
    by_question = {problem.question: problem for problem in problems}
    labeller = Labeller(CausalLM(TINY).eval(), CausalLM(TINY).eval(), tokenizer, 0)
    for solution in labeller.label(problems):
        texts = [tokenizer.decode(list(step)) for step in solution.steps]
        assert list(solution.verdicts) == check_steps(by_question[solution.question], texts)
        for step, verdict, right in zip(
            solution.steps, solution.verdicts, solution.first_errors, strict=True
        ):
            assert right == len(step) if verdict else right <= len(step)


@given(st.lists(st.integers(2, 200), min_size=1, max_size=60), st.integers(200, 900))
def test_groups_hold_everything_once_and_fit(lengths: list[int], tokens: int) -> None:
    groups = group_by_length(lengths, tokens, random.Random(0))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        rows, length = padded_size(max(lengths[index] for index in group), tokens)
        assert len(group) <= rows
        assert max(lengths[index] for index in group) <= length
