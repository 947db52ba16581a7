"""Batched step-wise generation with a key-value cache, for labelling and evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from demo_family.modeling import CausalLM, LayerCache, RewardModel
from demo_family.tokenizer import END_OF_TEXT, IM_END, separator_id

MAX_STEP_TOKENS = 48


@dataclass
class GeneratedStep:
    """One step as ids (without separator or end of turn) and whether it ended the solution."""

    ids: list[int]
    ended: bool


class CachedModel:
    """A model, its cache for a batch of rows, and how much of each row it has seen."""

    def __init__(
        self, model: CausalLM | RewardModel, tokenizer: Tokenizer, rows: int, capacity: int
    ) -> None:
        self.model, self.tokenizer, self.capacity = model.eval(), tokenizer, capacity
        self.cache: list[LayerCache] = model.model.new_cache(rows, capacity)
        self.lengths = [0] * rows
        self.processed = [0] * rows
        self.separator = separator_id(tokenizer)
        self.end = tokenizer.token_to_id(IM_END)
        self.pad = tokenizer.token_to_id(END_OF_TEXT)

    def _forward(self, rows: list[int], pieces: list[list[int]]) -> Tensor:
        """Hidden state after the last token of each row's new piece, [rows, hidden]."""
        device = self.model.model.embed_tokens.weight.device
        width = max(len(piece) for piece in pieces)
        ids = torch.full((len(rows), width), self.pad, dtype=torch.long)
        slots = torch.zeros((len(rows), width), dtype=torch.long)
        for position, (row, piece) in enumerate(zip(rows, pieces, strict=True)):
            # Padding repeats on slots past the piece; they are overwritten when they fill up.
            ids[position, : len(piece)] = torch.tensor(piece)
            slots[position] = self.lengths[row] + torch.arange(width)
            self.lengths[row] += len(piece)
            self.processed[row] += len(piece)
        index = torch.tensor(rows, device=device)
        slots = slots.clamp(max=self.capacity - 1).to(device)
        hidden = self.model.model.forward_cached(ids.to(device), index, slots, self.cache)
        last = torch.tensor([len(piece) - 1 for piece in pieces], device=device)
        return hidden[torch.arange(len(rows), device=device), last]

    @torch.inference_mode()
    def generate_steps(
        self,
        rows: list[int],
        texts: list[list[int]],
        temperatures: list[float],
        generator: torch.Generator | None = None,
    ) -> list[GeneratedStep]:
        """The next step of every row, whose whole text so far is given as ids.

        Only the part of a text that the cache lacks is processed: the cached part must be its
        beginning, which `rewind` sees to.
        """
        steps: list[list[int]] = [[] for _ in rows]
        ended = [False] * len(rows)
        active = list(range(len(rows)))
        pieces = [texts[i][self.lengths[rows[i]] :] for i in active]
        for _ in range(MAX_STEP_TOKENS):
            hidden = self._forward([rows[i] for i in active], pieces)
            logits = self.model.logits(hidden).float().cpu()
            chosen = _sample(logits, [temperatures[i] for i in active], generator)
            going = []
            for i, token in zip(active, chosen, strict=True):
                if token in (self.end, self.separator):
                    ended[i] = token == self.end
                    continue
                steps[i].append(token)
                room = self.lengths[rows[i]] < self.capacity - 2
                if room and len(steps[i]) < MAX_STEP_TOKENS:
                    going.append(i)
                else:
                    ended[i] = True
            active = going
            if not active:
                break
            pieces = [steps[i][-1:] for i in active]
        return [GeneratedStep(ids, end) for ids, end in zip(steps, ended, strict=True)]

    @torch.inference_mode()
    def rewards(self, rows: list[int], texts: list[list[int]]) -> list[float]:
        """The reward at the last token of each row's whole text."""
        pieces = [text[self.lengths[row] :] for row, text in zip(rows, texts, strict=True)]
        hidden = self._forward(rows, pieces)
        scores: list[float] = self.model.summary(hidden).squeeze(-1).float().sigmoid().tolist()
        return scores

    def rewind(self, row: int, length: int) -> None:
        """Forget what the row holds beyond `length` tokens."""
        self.lengths[row] = min(self.lengths[row], length)


def _sample(
    logits: Tensor, temperatures: list[float], generator: torch.Generator | None
) -> list[int]:
    heat = torch.tensor(temperatures)[:, None]
    greedy = logits.argmax(dim=-1)
    shares = (logits / heat.clamp(min=1e-3)).softmax(dim=-1)
    drawn = torch.multinomial(shares, 1, generator=generator)[:, 0]
    chosen: list[int] = torch.where(heat[:, 0] > 0, drawn, greedy).tolist()
    return chosen
