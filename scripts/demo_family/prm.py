"""Training of the process reward model on labelled solutions."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

from demo_family.compound_stories import FAMILIES
from demo_family.corruption import worked_solution
from demo_family.data import group_by_length, padded_size
from demo_family.labelling import LabelledSolution
from demo_family.modeling import RewardModel
from demo_family.problems import problems_of_split
from demo_family.tokenizer import END_OF_TEXT, reward_prompt_of, separator_id
from demo_family.training import (
    Optimizers,
    Progress,
    TrainingPlan,
    autocast,
    save_atomically,
    schedule,
)

INNER_WEIGHT = 0.2
SPOILED_SHARE = 0.6
CHUNK_SOLUTIONS = 1_024


@dataclass(frozen=True)
class RewardBatch:
    """Ids, verdicts, and the weights of each verdict and of predicting each token.

    All are [rows, length].
    """

    ids: torch.Tensor
    verdicts: torch.Tensor
    weights: torch.Tensor
    language_weights: torch.Tensor


@dataclass(frozen=True)
class EncodedSolution:
    """A solution as the PRM reads it, and what it should say at every token."""

    ids: list[int]
    verdicts: list[float]
    weights: list[float]
    language_weights: list[float]
    scored: list[int]


def encode_solution(tokenizer: Tokenizer, solution: LabelledSolution) -> EncodedSolution:
    """Every step followed by the separator, where it is scored (`scored` has the places).

    Inside a step the verdict is whether it is right so far. Those places weigh less, but they
    tell the model where an error is, from which it learns much faster. What is right is also
    learned as language, so that the model goes on knowing what should come.
    """
    separator = separator_id(tokenizer)
    ids: list[int] = tokenizer.encode(reward_prompt_of(solution.question)).ids
    nothing = [0.0] * len(ids)
    verdicts, weights, language_weights = [*nothing], [*nothing], [*nothing]
    scored = []
    for step, verdict, right in zip(
        solution.steps, solution.verdicts, solution.first_errors, strict=True
    ):
        so_far = [1.0] * right + [0.0] * (len(step) - right) + [float(verdict)]
        scored.append(len(ids) + len(step))
        ids = [*ids, *step, separator]
        verdicts += so_far
        weights += [INNER_WEIGHT] * len(step) + [1.0]
        language_weights += so_far
    return EncodedSolution(ids, verdicts, weights, language_weights, scored)


def collate(items: list[EncodedSolution], pad: int, tokens: int) -> RewardBatch:
    rows, length = padded_size(max(len(item.ids) for item in items), tokens)
    ids = torch.full((rows, length), pad, dtype=torch.long)
    verdicts, weights = torch.zeros(rows, length), torch.zeros(rows, length)
    language_weights = torch.zeros(rows, length)
    for row, item in enumerate(items):
        used = slice(len(item.ids))
        ids[row, used] = torch.tensor(item.ids)
        verdicts[row, used] = torch.tensor(item.verdicts)
        weights[row, used] = torch.tensor(item.weights)
        language_weights[row, used] = torch.tensor(item.language_weights)
    return RewardBatch(ids, verdicts, weights, language_weights)


def reward_batches(
    tokenizer: Tokenizer,
    seed: int,
    tokens: int,
    sampled: list[LabelledSolution],
    first_chunk: int,
) -> Iterator[tuple[int, RewardBatch]]:
    """Endless batches with the number of the chunk they come from.

    A chunk has fresh worked solutions, many with a spoiled step, and, where solutions sampled
    from the models are given, twice as many of those. Chunk k depends on (seed, k) alone.
    """
    pad = tokenizer.token_to_id(END_OF_TEXT)
    written = [encode_solution(tokenizer, solution) for solution in sampled]
    chunk = first_chunk
    while True:
        rng = random.Random(f"{seed}:reward:{chunk}")
        stream = problems_of_split("train", seed * 1_000_003 + chunk, FAMILIES)
        items = [
            encode_solution(tokenizer, worked_solution(rng, tokenizer, problem, SPOILED_SHARE))
            for problem in islice(stream, CHUNK_SOLUTIONS)
        ]
        items += rng.sample(written, min(len(written), 2 * CHUNK_SOLUTIONS))
        for group in group_by_length([len(item.ids) for item in items], tokens, rng):
            yield chunk, collate([items[index] for index in group], pad, tokens)
        chunk += 1


def reward_loss(model: RewardModel, batch: RewardBatch, device: torch.device) -> torch.Tensor:
    """Binary cross-entropy of the verdicts plus next-token loss of what is right."""
    ids = batch.ids.to(device)
    hidden = model.model(ids)
    weights = batch.weights.to(device)
    judged = F.binary_cross_entropy_with_logits(
        model.summary(hidden).squeeze(-1).float(),
        batch.verdicts.to(device),
        weight=weights,
        reduction="sum",
    )
    logits = F.linear(hidden[:, :-1], model.model.embed_tokens.weight).float()
    language_weights = batch.language_weights[:, 1:].to(device)
    losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    language = (losses * language_weights.flatten()).sum() / language_weights.sum()
    return judged / weights.sum() + language


def train_reward_model(
    name: str,
    model: RewardModel,
    plan: TrainingPlan,
    tokenizer: Tokenizer,
    sampled: list[LabelledSolution],
    work: Path,
    seed: int,
    device: torch.device,
    checkpoint_every_s: float = 120.0,
) -> RewardModel:
    """Train, or go on training, the model kept in `work/{name}.pt`; returns it finished."""
    torch.manual_seed(seed)
    model = model.to(device).train()
    optimizers = Optimizers(model, plan.learning_rate)
    path, update, chunk, seconds = work / f"{name}.pt", 0, 0, 0.0
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizers.load(state["optimizers"])
        update, chunk, seconds = state["update"], state["chunk"] + 1, state["seconds"]
    batches = reward_batches(tokenizer, seed, plan.tokens_per_update, sampled, chunk)
    progress = Progress(name, plan.updates, update)
    start = saved = time.monotonic()
    while update < plan.updates:
        chunk, batch = next(batches)
        with autocast(device):
            loss = reward_loss(model, batch, device)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizers.step(schedule(update, plan))
        update += 1
        progress.report(update, loss.item(), batch.ids.numel())
        if time.monotonic() - saved > checkpoint_every_s or update == plan.updates:
            saved = time.monotonic()
            state = {
                "model": model.state_dict(),
                "optimizers": optimizers.state(),
                "update": update,
                "chunk": chunk,
                "seconds": seconds + saved - start,
            }
            save_atomically(state, path)
    return model.eval()
