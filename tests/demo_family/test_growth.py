"""A grown model computes what the small one computed, and its new parts can learn."""

from __future__ import annotations

import pytest
import torch
from demo_family.growth import grow
from demo_family.modeling import CausalLM, ModelShape

SMALL = ModelShape(
    vocab_size=40,
    hidden_size=16,
    layers=2,
    attention_heads=4,
    key_value_heads=2,
    intermediate_size=24,
)
LARGE = ModelShape(
    vocab_size=40,
    hidden_size=32,
    layers=5,
    attention_heads=8,
    key_value_heads=4,
    intermediate_size=56,
)


def test_growing_keeps_the_function() -> None:
    torch.manual_seed(0)
    small = CausalLM(SMALL)
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    large = grow(small, LARGE)
    ids = torch.randint(0, 40, (3, 11))
    with torch.no_grad():
        expected = small.logits(small.model(ids))
        torch.testing.assert_close(large.logits(large.model(ids)), expected, atol=1e-4, rtol=1e-4)


def test_gradients_reach_the_new_parts() -> None:
    torch.manual_seed(0)
    large = grow(CausalLM(SMALL), LARGE)
    ids = torch.randint(0, 40, (3, 11))
    large.loss(ids, torch.ones(ids.shape)).backward()
    for layer in large.model.layers:
        assert layer.mlp.down_proj.weight.grad.abs().sum() > 0
        assert layer.self_attn.o_proj.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "shape",
    [
        ModelShape(41, 32, 5, 8, 4, 56),
        ModelShape(40, 32, 5, 4, 2, 56),
        ModelShape(40, 32, 5, 8, 8, 56),
        ModelShape(40, 16, 1, 4, 2, 24),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape: ModelShape) -> None:
    with pytest.raises(ValueError, match="cannot grow"):
        grow(CausalLM(SMALL), shape)
