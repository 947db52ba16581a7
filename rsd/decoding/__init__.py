"""Decoding strategies, one file each. A strategy decodes one problem as an async generator of
steps, over the `Generator` and `Scorer` protocols alone.

`limits` holds what all of them share: the growing response and the rules that end it.
"""

from rsd.decoding.acceptance import WEIGHTINGS, Weighting
from rsd.decoding.limits import Limits, Response
from rsd.decoding.single import SingleModel
from rsd.decoding.speculative import RewardGuidedSpeculativeDecoding

__all__ = [
    "WEIGHTINGS",
    "Limits",
    "Response",
    "RewardGuidedSpeculativeDecoding",
    "SingleModel",
    "Weighting",
]
