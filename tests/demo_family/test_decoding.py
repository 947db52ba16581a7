"""The training program's own decoder, on tiny random models."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from demo_family.compound_stories import FAMILIES
from demo_family.decoding import Decoder, Trajectory
from demo_family.modeling import CausalLM, ModelShape, Qwen2Backbone, RewardModel
from demo_family.problems import Problem, draw_problem
from demo_family.sampling import MAX_STEP_TOKENS, CachedModel
from demo_family.tokenizer import load_tokenizer, prompt_of

pytestmark = pytest.mark.slow

TINY = ModelShape(960, 32, 2, 2, 1, 32)


@pytest.fixture(scope="module")
def decoder(family_directory: Path) -> Decoder:
    """Models that end steps now and then, because their embeddings are random and large."""
    torch.manual_seed(5)
    draft, target, prm = CausalLM(TINY), CausalLM(TINY), RewardModel(Qwen2Backbone(TINY))
    for model in (draft, target, prm):
        torch.nn.init.normal_(model.model.embed_tokens.weight)
    torch.nn.init.normal_(prm.summary.weight)
    tokenizer = load_tokenizer(family_directory / "draft")
    return Decoder(tokenizer, draft.eval(), target.eval(), prm.eval())


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    rng = random.Random(0)
    return [draw_problem(rng, FAMILIES) for _ in range(4)]


def texts(trajectories: list[Trajectory]) -> list[list[str]]:
    return [trajectory.steps for trajectory in trajectories]


def test_accepting_everything_is_the_draft_alone(decoder: Decoder, problems: list[Problem]) -> None:
    accepted = decoder.solve_speculatively(problems, threshold=0.0)
    assert texts(accepted) == texts(decoder.solve_alone("draft", problems))
    assert all(trajectory.tokens["target"] == 0 for trajectory in accepted)


def test_rejecting_everything_is_the_target_alone(
    decoder: Decoder, problems: list[Problem]
) -> None:
    rejected = decoder.solve_speculatively(problems, threshold=1.1)
    assert texts(rejected) == texts(decoder.solve_alone("target", problems))
    assert {writer for trajectory in rejected for writer in trajectory.writers} == {"target"}


def test_every_draft_step_is_scored_once(decoder: Decoder, problems: list[Problem]) -> None:
    for trajectory in decoder.solve_speculatively(problems, threshold=0.5):
        assert len(trajectory.rewards) == len(trajectory.steps)
        written_by_draft = [writer == "draft" for writer in trajectory.writers]
        assert written_by_draft == [reward >= 0.5 for reward in trajectory.rewards]
        assert trajectory.prm_tokens_per_step >= trajectory.tokens["prm"]


def test_the_cache_changes_no_token(decoder: Decoder, problems: list[Problem]) -> None:
    model, tokenizer = decoder.writers["draft"], decoder.tokenizer
    cache = CachedModel(model, tokenizer, len(problems), 256)
    prompts = [tokenizer.encode(prompt_of(problem.question)).ids for problem in problems]
    written = cache.generate_steps([0, 1, 2, 3], prompts, [0.0] * 4)
    for prompt, step in zip(prompts, written, strict=True):
        ids = list(prompt)
        for _ in range(MAX_STEP_TOKENS):
            with torch.no_grad():
                token = int(model.logits(model.model(torch.tensor([ids])))[0, -1].argmax())
            if token in (cache.separator, cache.end):
                break
            ids.append(token)
        assert step.ids == ids[len(prompt) :]
