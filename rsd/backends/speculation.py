"""What a vLLM server says of its own token-level speculative decoding."""

from __future__ import annotations

from rsd.backends import answers
from rsd.backends.server import Server
from rsd.records import Speculation

_COUNTERS = {
    "spec_decode_num_drafts": "drafts",
    "spec_decode_num_draft_tokens": "drafted",
    "spec_decode_num_accepted_tokens": "accepted",
}
"""vLLM's names (vllm/v1/spec_decode/metrics.py) and ours."""


async def read_speculation(server: Server) -> Speculation | None:
    """The server's counts since its start; None if it does not decode speculatively.

    Raises `BackendError` when the server has no /metrics, as one that is not vLLM, or when they
    cannot be read.
    """
    page = await server.get_text("/metrics")
    found: dict[str, list[float]] = {}
    with server.reading("/metrics cannot be used"):
        for name, _, value in answers.metrics(page):
            if name in _COUNTERS:
                found.setdefault(_COUNTERS[name], []).append(value)  # one sample an engine
        totals = {name: answers.total(name, values) for name, values in found.items()}
    return Speculation(**totals) if totals.keys() == set(_COUNTERS.values()) else None
