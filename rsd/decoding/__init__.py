"""Decoding: the machinery of steps here, the strategies in `rsd.decoding.strategies`.

A strategy decodes one problem as an async generator of steps, over the `Generator` and `Scorer`
protocols alone. `response` holds the growing solution and the rules that end it, `candidates` what
strategies with several candidates share, `parts` what a strategy is built from.
`docs/strategies.md` lists the strategies.
"""

from rsd.decoding.acceptance import WEIGHTINGS, Weighting
from rsd.decoding.candidates import (
    Candidate,
    best,
    together,
    write_candidate,
    write_candidates,
)
from rsd.decoding.discards import recording
from rsd.decoding.paper import PaperRules, published_text
from rsd.decoding.parts import Answers, BuiltIn, Parts, build_strategy
from rsd.decoding.response import Limits, Response, Rules
from rsd.decoding.strategies.single import SingleModel
from rsd.decoding.strategies.speculative import (
    BestDraftSpeculativeDecoding,
    RewardGuidedSpeculativeDecoding,
)

__all__ = [
    "WEIGHTINGS",
    "Answers",
    "BestDraftSpeculativeDecoding",
    "BuiltIn",
    "Candidate",
    "Limits",
    "PaperRules",
    "Parts",
    "Response",
    "RewardGuidedSpeculativeDecoding",
    "Rules",
    "SingleModel",
    "Weighting",
    "best",
    "build_strategy",
    "published_text",
    "recording",
    "together",
    "write_candidate",
    "write_candidates",
]
