"""Token-level speculative decoding inside the target's server: what it costs, by its counts.

The server counts drafts, drafted and accepted tokens over a session. Each check of a draft emits
the accepted tokens and one of the target's own, so a token that the target generates stands for
`drafted / (accepted + drafts)` drafted ones: a rate, which fits runs that were cut and resumed
and servers that others used too. It is a few percent low (7% on the demo), as the server counts
among the emitted tokens also those past a stop string, which nobody gets. A draft that nobody
checks, since its request has ended, is not counted by the server and not here.
"""

from __future__ import annotations

from dataclasses import dataclass

from rsd.records import Manifest, Speculation


@dataclass(frozen=True, slots=True)
class SpeculationCost:
    """What comes with each token that the target generates: `drafted` tokens, of which the
    target read `rejected` ones in vain. `parameters` are the draft's, None if unknown."""

    drafted: float
    rejected: float
    parameters: int | None


def total_speculation(manifest: Manifest) -> Speculation | None:
    """The counts of all sessions that have some; None if none has."""
    counted = [s.speculation for s in manifest.sessions if s.speculation is not None]
    if not counted:
        return None
    return Speculation(
        drafts=sum(it.drafts for it in counted),
        drafted=sum(it.drafted for it in counted),
        accepted=sum(it.accepted for it in counted),
    )


def speculation_cost(manifest: Manifest) -> SpeculationCost | None:
    """The cost a token of the target; None if its server did not speculate."""
    counts = total_speculation(manifest)
    if counts is None or not counts.drafts:
        return None
    emitted = counts.accepted + counts.drafts
    return SpeculationCost(
        drafted=counts.drafted / emitted,
        rejected=(counts.drafted - counts.accepted) / emitted,
        parameters=manifest.speculative_parameters,
    )
