"""Decoding strategies, one file each. A strategy decodes one problem as an async generator of
steps, over the `Generator` and `Scorer` protocols alone. `docs/strategies.md` lists them.

`response` holds what all of them share: the growing solution and the rules that end it;
`candidates` and `concurrency` what those with several candidates share; `registry` builds a
strategy from its name.
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
from rsd.decoding.parts import STRATEGIES, Parts, build_strategy
from rsd.decoding.response import Limits, Response, Rules
from rsd.decoding.strategies.confidence import ConfidenceRouting
from rsd.decoding.strategies.controls import FirstSteps, Oracle, RandomRouting
from rsd.decoding.strategies.guided import GuidedSpeculativeInference
from rsd.decoding.strategies.sampling import Answers, BestOfN, MajorityVote
from rsd.decoding.strategies.search import BeamSearch, ProcessBestOfN
from rsd.decoding.strategies.single import SingleModel
from rsd.decoding.strategies.speculative import (
    BestDraftSpeculativeDecoding,
    RewardGuidedSpeculativeDecoding,
)

__all__ = [
    "STRATEGIES",
    "WEIGHTINGS",
    "Answers",
    "BeamSearch",
    "BestDraftSpeculativeDecoding",
    "BestOfN",
    "Candidate",
    "ConfidenceRouting",
    "FirstSteps",
    "GuidedSpeculativeInference",
    "Limits",
    "MajorityVote",
    "Oracle",
    "PaperRules",
    "Parts",
    "ProcessBestOfN",
    "RandomRouting",
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
