"""A compact Qwen2 decoder for training: the architecture and tensor names of transformers' Qwen2.

It exists because it is faster to train on a CPU than the general implementation (one fused
attention call, no cache machinery) while its weights load into `Qwen2ForCausalLM` unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROPE_THETA = 10_000.0
RMS_NORM_EPS = 1e-6


@dataclass(frozen=True)
class ModelShape:
    """The sizes of one model; `hidden_size == attention_heads * head_dim`."""

    vocab_size: int
    hidden_size: int
    layers: int
    attention_heads: int
    key_value_heads: int
    intermediate_size: int

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.attention_heads


class RMSNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        dtype = x.dtype
        x = x.float()
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + RMS_NORM_EPS)
        return (self.weight.float() * x).to(dtype)


def rotary_table(length: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding, each [length, head_dim], float32."""
    exponent = torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim
    angles = torch.outer(
        torch.arange(length, device=device, dtype=torch.float32), ROPE_THETA**-exponent
    )
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply the rotary embedding to x [batch, heads, length, head_dim]."""
    left, right = x.chunk(2, dim=-1)
    turned = torch.cat((-right, left), dim=-1)
    return (x.float() * cos + turned.float() * sin).to(x.dtype)


def autocast_dtype(x: Tensor) -> torch.dtype:
    """The number type that matrix products of x come out in."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def causal_mask(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Additive mask [length, length] that hides later positions."""
    return torch.full((length, length), -1e9, dtype=dtype, device=device).triu(1)


@dataclass
class LayerCache:
    """Keys and values of one layer, [batch, key_value_heads, capacity, head_dim]."""

    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        hidden, kv_size = shape.hidden_size, shape.key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(hidden, hidden, bias=True)
        self.k_proj = nn.Linear(hidden, kv_size, bias=True)
        self.v_proj = nn.Linear(hidden, kv_size, bias=True)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, _ = x.shape
        split = (batch, length, -1, self.shape.head_dim)
        query = self.q_proj(x).view(split).transpose(1, 2)
        key = self.k_proj(x).view(split).transpose(1, 2)
        value = self.v_proj(x).view(split).transpose(1, 2)
        return rotate(query, cos, sin), rotate(key, cos, sin), value

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Attention written out: at these lengths its backward beats the fused one on a CPU.

        `mask` broadcasts to [batch, heads, new, width] and is added to the scores.
        """
        batch, heads, length, dim = query.shape
        groups = heads // self.shape.key_value_heads
        query = query.reshape(batch, -1, groups * length, dim) * dim**-0.5
        scores = (query @ key.transpose(-1, -2)).view(batch, heads, length, -1)
        shares = (scores + mask).softmax(dim=-1, dtype=query.dtype)
        mixed = shares.view(batch, -1, groups * length, key.shape[2]) @ value
        mixed = mixed.view(batch, heads, length, dim)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        return self.attend(*self.project(x, cos, sin), mask)


class MLP(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = MLP(shape)
        self.input_layernorm = RMSNorm(shape.hidden_size)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))

    def forward_cached(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        cache: LayerCache,
        rows: Tensor,
        slots: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """As `forward` for new positions only: x [batch, new, hidden], slots [batch, new]."""
        query, key, value = self.self_attn.project(self.input_layernorm(x), cos, sin)
        cache.keys[rows[:, None], :, slots] = key.transpose(1, 2).to(cache.keys.dtype)
        cache.values[rows[:, None], :, slots] = value.transpose(1, 2).to(cache.values.dtype)
        width = mask.shape[-1]
        keys, values = cache.keys[rows, :, :width], cache.values[rows, :, :width]
        x = x + self.self_attn.attend(query, keys, values, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Qwen2Backbone(nn.Module):
    """Embedding, layers and final norm: token ids [batch, length] to hidden states."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden_size)

    def forward(self, ids: Tensor) -> Tensor:
        cos, sin = rotary_table(ids.shape[1], self.shape.head_dim, ids.device)
        x = self.embed_tokens(ids)
        mask = causal_mask(ids.shape[1], autocast_dtype(x), ids.device)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)

    def new_cache(self, batch: int, capacity: int) -> list[LayerCache]:
        weight = self.embed_tokens.weight
        size = (batch, self.shape.key_value_heads, capacity, self.shape.head_dim)
        return [
            LayerCache(
                torch.zeros(size, dtype=weight.dtype, device=weight.device),
                torch.zeros(size, dtype=weight.dtype, device=weight.device),
            )
            for _ in self.layers
        ]

    def forward_cached(
        self, ids: Tensor, rows: Tensor, slots: Tensor, caches: list[LayerCache]
    ) -> Tensor:
        """Hidden states of `ids` [batch, new] put at `slots` [batch, new] of the cache's `rows`.

        Every position attends to all earlier positions of its row, so rows of different
        lengths share one call; what a row holds beyond its newest slot is never seen.
        """
        width = int(slots.max()) + 1
        cos, sin = rotary_table(width, self.shape.head_dim, ids.device)
        cos, sin = cos[slots][:, None], sin[slots][:, None]
        positions = torch.arange(width, device=ids.device)
        seen = positions[None, None, None, :] <= slots[:, None, :, None]
        x = self.embed_tokens(ids)
        mask = torch.zeros(seen.shape, dtype=autocast_dtype(x), device=ids.device)
        mask.masked_fill_(~seen, -1e9)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer.forward_cached(x, cos, sin, cache, rows, slots, mask)
        return self.norm(x)


class CausalLM(nn.Module):
    """A language model whose output layer is its tied embedding."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.model = Qwen2Backbone(shape)
        self.apply(_initialise)
        scale = (2 * shape.layers) ** -0.5
        for layer in self.model.layers:
            with torch.no_grad():
                layer.self_attn.o_proj.weight.mul_(scale)
                layer.mlp.down_proj.weight.mul_(scale)

    @property
    def shape(self) -> ModelShape:
        return self.model.shape

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.model.embed_tokens.weight)

    def loss(self, ids: Tensor, weights: Tensor) -> Tensor:
        """Weighted next-token loss; `weights` [batch, length] belong to the predicted token."""
        logits = self.logits(self.model(ids[:, :-1])).float()
        losses = F.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none"
        )
        weight = weights[:, 1:].reshape(-1)
        return (losses * weight).sum() / weight.sum()


class RewardModel(nn.Module):
    """A process reward model: a backbone and a linear value head on every position."""

    def __init__(self, backbone: Qwen2Backbone) -> None:
        super().__init__()
        self.model = backbone
        self.summary = nn.Linear(backbone.shape.hidden_size, 1)
        nn.init.zeros_(self.summary.weight)
        nn.init.zeros_(self.summary.bias)

    def forward(self, ids: Tensor) -> Tensor:
        """Reward logits [batch, length]; the reward is their sigmoid."""
        return self.summary(self.model(ids)).squeeze(-1)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


def parameter_count(model: nn.Module) -> int:
    """Parameters of a model, tied tensors counted once."""
    return sum(parameter.numel() for parameter in model.parameters())
