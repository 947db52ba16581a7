"""The cost of token-level speculative decoding inside the target's server, from its counters.

The server counts drafts, drafted tokens and accepted tokens. Each check of a draft emits the
accepted tokens and one of the target's own, so each generated token stands for
`drafted / (accepted + drafts)` drafted ones. As a rate, this also fits runs that were resumed and
servers with other clients. It is a few percent low (7% on the demo), because the server also counts
emitted tokens past a stop string. Drafts that are never checked, because their request ended, are
not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from rsd.records import Manifest, Speculation


@dataclass(frozen=True, slots=True)
class SpeculationCost:
    """For each token that the target generates: `drafted` tokens, of which the target read and
    rejected `rejected`. `parameters` are the draft's; None if unknown."""

    drafted: float
    rejected: float
    parameters: int | None


def total_speculation(manifest: Manifest) -> Speculation | None:
    """The sum of the sessions' counts; None if no session has any."""
    counted = [s.speculation for s in manifest.sessions if s.speculation is not None]
    if not counted:
        return None
    return Speculation(
        drafts=sum(it.drafts for it in counted),
        drafted=sum(it.drafted for it in counted),
        accepted=sum(it.accepted for it in counted),
    )


def speculation_cost(manifest: Manifest) -> SpeculationCost | None:
    """The cost for each token of the target; None if its server did not speculate."""
    counts = total_speculation(manifest)
    if counts is None or not counts.drafts:
        return None
    emitted = counts.accepted + counts.drafts
    return SpeculationCost(
        drafted=counts.drafted / emitted,
        rejected=(counts.drafted - counts.accepted) / emitted,
        parameters=manifest.speculative_parameters,
    )
