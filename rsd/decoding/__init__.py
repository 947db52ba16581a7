"""Decoding strategies, one file each. A strategy decodes one problem as an async generator of
steps, over the `Generator` and `Scorer` protocols alone. `docs/strategies.md` lists them.

`response` holds what all of them share: the growing solution and the rules that end it;
`candidates` and `concurrency` what those with several candidates share; `registry` builds a
strategy from its name.
"""

from rsd.decoding.acceptance import WEIGHTINGS, Weighting
from rsd.decoding.candidates import Candidate, best, write_candidate, write_candidates
from rsd.decoding.concurrency import together
from rsd.decoding.confidence import ConfidenceRouting
from rsd.decoding.controls import FirstSteps, Oracle, RandomRouting
from rsd.decoding.discards import recording
from rsd.decoding.guided import GuidedSpeculativeInference
from rsd.decoding.limits import Limits
from rsd.decoding.paper import PaperRules, published_text
from rsd.decoding.registry import STRATEGIES, Parts, build_strategy
from rsd.decoding.response import Response, Rules
from rsd.decoding.sampling import Answers, BestOfN, MajorityVote
from rsd.decoding.search import BeamSearch, ProcessBestOfN
from rsd.decoding.single import SingleModel
from rsd.decoding.speculative import (
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
