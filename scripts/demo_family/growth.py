"""Growing a trained small model into a larger one that computes the same function.

A small model learns this benchmark several times faster than a large one does on a CPU. The
target is therefore trained small, grown, and trained on: everything new starts out silent (its
output matrices are zero) and takes part as training goes on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from demo_family.modeling import CausalLM, Layer, ModelShape


@torch.no_grad()
def grow(small: CausalLM, shape: ModelShape) -> CausalLM:
    """A model of the given shape whose logits equal those of `small`.

    Raises `ValueError` unless both have the same head size, vocabulary and number of query heads
    per key-value head, and `shape` is nowhere smaller.
    """
    old = small.shape
    same = ("head_dim", "vocab_size")
    if any(getattr(old, name) != getattr(shape, name) for name in same):
        raise ValueError(f"cannot grow {old} into {shape}: {' and '.join(same)} must be equal")
    if old.attention_heads * shape.key_value_heads != shape.attention_heads * old.key_value_heads:
        raise ValueError(f"cannot grow {old} into {shape}: query heads share keys differently")
    if shape.layers < old.layers or shape.hidden_size < old.hidden_size:
        raise ValueError(f"cannot grow {old} into {shape}: it is smaller")
    large = CausalLM(shape)
    embedding = large.model.embed_tokens.weight
    embedding.zero_()
    _copy(embedding, small.model.embed_tokens.weight)
    # Zeros in the new places of the residual stream lower its mean square by this factor.
    norm_scale = (old.hidden_size / shape.hidden_size) ** 0.5
    _copy_norm(large.model.norm.weight, small.model.norm.weight, norm_scale)
    places = list(range(old.layers))
    for index, layer in enumerate(large.model.layers):
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        if index in places:
            _copy_layer(layer, small.model.layers[places.index(index)], norm_scale)
    return large


def _copy_layer(large: Layer, small: Layer, norm_scale: float) -> None:
    for name in ("q_proj", "k_proj", "v_proj"):
        target, source = getattr(large.self_attn, name), getattr(small.self_attn, name)
        _copy(target.weight, source.weight)
        target.bias[: len(source.bias)] = source.bias
    _copy(large.self_attn.o_proj.weight, small.self_attn.o_proj.weight)
    for name in ("gate_proj", "up_proj", "down_proj"):
        _copy(getattr(large.mlp, name).weight, getattr(small.mlp, name).weight)
    for name in ("input_layernorm", "post_attention_layernorm"):
        _copy_norm(getattr(large, name).weight, getattr(small, name).weight, norm_scale)


def _copy(target: Tensor, source: Tensor) -> None:
    rows, columns = source.shape
    target[:rows, :columns] = source


def _copy_norm(target: Tensor, source: Tensor, scale: float) -> None:
    target.fill_(scale)
    target[: len(source)] = source * scale
