"""From a configuration and its backends to the strategy that a run decodes with."""

from __future__ import annotations

from rsd.backends import Backends
from rsd.config import Config
from rsd.decoding import (
    WEIGHTINGS,
    Limits,
    RewardGuidedSpeculativeDecoding,
    SingleModel,
)
from rsd.protocols import Sampling, Strategy


def build_strategy(config: Config, backends: Backends) -> Strategy:
    """The strategy called `decoding.strategy`."""
    decoding = config.decoding
    limits = Limits(
        max_tokens=decoding.max_tokens,
        max_steps=decoding.max_steps,
        max_repeats=decoding.max_repeats,
        context=backends.context,
    )
    sampling = Sampling(temperature=decoding.temperature, top_p=decoding.top_p)
    if decoding.strategy == "rsd":
        assert backends.scorer is not None
        return RewardGuidedSpeculativeDecoding(
            backends.generator("draft"),
            backends.generator("target"),
            backends.scorer,
            weighting=WEIGHTINGS[decoding.weighting](decoding.threshold),
            limits=limits,
            sampling=sampling,
            separator=decoding.step_separator,
        )
    return SingleModel(
        backends.generator(decoding.strategy),
        source=decoding.strategy,
        limits=limits,
        sampling=sampling,
        separator=decoding.step_separator,
    )
