"""Training of the process reward model on labelled solutions."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

from demo_family.data import group_by_length, padded_size
from demo_family.labelling import LabelledSolution
from demo_family.modeling import CausalLM, RewardModel
from demo_family.tokenizer import END_OF_TEXT, reward_prompt_of, separator_id
from demo_family.training import (
    Optimizers,
    Progress,
    TrainingPlan,
    autocast,
    save_atomically,
    schedule,
)


@dataclass(frozen=True)
class RewardBatch:
    """Ids [rows, length]; verdicts of the same shape, -1 where nothing is scored."""

    ids: torch.Tensor
    verdicts: torch.Tensor


def encode_solution(
    tokenizer: Tokenizer, solution: LabelledSolution
) -> tuple[list[int], list[float]]:
    """A solution as the PRM reads it: every step followed by the separator, where it is scored."""
    separator = separator_id(tokenizer)
    ids = tokenizer.encode(reward_prompt_of(solution.question)).ids
    verdicts = [-1.0] * len(ids)
    for step, verdict in zip(solution.steps, solution.verdicts, strict=True):
        ids += [*step, separator]
        verdicts += [-1.0] * len(step) + [float(verdict)]
    return ids, verdicts


def reward_batches(
    encoded: list[tuple[list[int], list[float]]], pad: int, tokens: int, seed: int
) -> Iterator[RewardBatch]:
    """Endless batches over the solutions, reshuffled in every epoch."""
    rng = random.Random(f"{seed}:reward")
    while True:
        for group in group_by_length([len(ids) for ids, _ in encoded], tokens, rng):
            rows, length = padded_size(max(len(encoded[index][0]) for index in group), tokens)
            ids = torch.full((rows, length), pad, dtype=torch.long)
            verdicts = torch.full((rows, length), -1.0)
            for row, index in enumerate(group):
                row_ids, row_verdicts = encoded[index]
                ids[row, : len(row_ids)] = torch.tensor(row_ids)
                verdicts[row, : len(row_verdicts)] = torch.tensor(row_verdicts)
            yield RewardBatch(ids, verdicts)


def reward_loss(model: RewardModel, batch: RewardBatch, device: torch.device) -> torch.Tensor:
    logits = model(batch.ids.to(device)).float()
    verdicts = batch.verdicts.to(device)
    scored = verdicts >= 0
    return F.binary_cross_entropy_with_logits(logits[scored], verdicts[scored])


def train_reward_model(
    start_from: CausalLM,
    plan: TrainingPlan,
    tokenizer: Tokenizer,
    solutions: list[LabelledSolution],
    work: Path,
    seed: int,
    device: torch.device,
    name: str = "prm",
    checkpoint_every_s: float = 120.0,
) -> RewardModel:
    """Train, or go on training, the model kept in `work/{name}.pt`; returns it finished."""
    torch.manual_seed(seed)
    model = RewardModel(start_from.model).to(device).train()
    optimizers = Optimizers(model, plan.learning_rate)
    path, update, seconds = work / f"{name}.pt", 0, 0.0
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizers.load(state["optimizers"])
        update, seconds = state["update"], state["seconds"]
    encoded = [encode_solution(tokenizer, solution) for solution in solutions]
    pad = tokenizer.token_to_id(END_OF_TEXT)
    batches = reward_batches(encoded, pad, plan.tokens_per_update, seed + update)
    progress = Progress(name, plan.updates, update)
    start = saved = time.monotonic()
    while update < plan.updates:
        batch = next(batches)
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
                "seconds": seconds + saved - start,
            }
            save_atomically(state, path)
    return model.eval()
