"""Tables of tokens, speed and servers."""

from __future__ import annotations

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import failed
from rsd.analysis.tables.block import Block
from rsd.analysis.tables.cells import UNKNOWN, figure, percent
from rsd.analysis.tables.labels import labelled, labels, run_name
from rsd.analysis.tables.warnings import UNCOUNTED, about_speed, each_sample
from rsd.analysis.timing import most_at_once
from rsd.costs import total, total_speculation
from rsd.types import ROLES


def tokens_and_speed(runs: list[AnalyzedRun]) -> Block:
    """Mean tokens per problem and model, throughput and latency."""
    rows = []
    discarded = any(run.metrics.overall.tokens["draft"].wasted for run in runs)
    for run in runs:
        overall, latency = run.metrics.overall, run.metrics.overall.latency_s
        finished = [key for key, it in run.run.trajectories.items() if not failed(it)]
        work, n = total(run.costs[key] for key in finished), len(finished)
        row = {
            "run": run_name(run),
            "strategy": labelled(run.run),
            "draft\nwrote": _mean(work.draft_tokens_kept + work.draft_tokens_rejected, n),
        }
        if discarded:
            row["draft tokens\ndiscarded"] = _mean(work.wasted_tokens, n)
        rows.append(
            row
            | {
                "target\nwrote": _mean(work.target_tokens_generated, n),
                "PRM\nread": _mean(work.processed_prm_once, n),
                "problems\nper s": figure(overall.problems_per_s),
                "tokens\nper s": figure(overall.tokens_per_s),
                "latency\np50 s": figure(latency.p50 if latency else None),
                "latency\np95 s": figure(latency.p95 if latency else None),
            }
        )
    notes = [
        "Tokens per s: tokens of the responses only. Latency: time per problem, with other "
        "problems in flight.",
        UNCOUNTED,
        *each_sample(runs),
        *(["Draft tokens discarded: drafted ahead and never used."] if discarded else []),
        *about_speed(runs),
    ]
    return Block.of("Tokens per problem and speed", rows, notes, left=("run", "strategy"))


def _mean(tokens: int, n: int) -> str:
    return f"{tokens / n:,.0f}" if n else UNKNOWN


def servers(runs: list[AnalyzedRun]) -> Block:
    """Latency percentiles, concurrency, and how busy each server was."""
    rows = []
    for run, label in zip(runs, labels(runs), strict=True):
        overall, latency = run.metrics.overall, run.metrics.overall.latency_s
        row = {"strategy": label}
        for p in ("p50", "p90", "p95", "p99"):
            row[f"latency\n{p} s"] = figure(getattr(latency, p) if latency else None)
        row["problems\nin flight"] = _in_flight(run)
        for role in ROLES:
            name = "PRM" if role == "prm" else role
            row[f"{name} server\nbusy"] = percent(overall.busy[role])
        rows.append(row)
    notes = [
        "Busy: share of the working time in which a server had at least one request.",
        *about_speed(runs),
    ]
    return Block.of("Latency and servers", rows, notes, left=("strategy",))


def _in_flight(run: AnalyzedRun) -> str:
    """The most problems in flight, and whether `concurrency: auto` chose the number."""
    sessions = run.run.manifest.sessions
    count = most_at_once(sessions)
    most = UNKNOWN if count is None else str(count)
    return f"auto, {most}" if any(it.concurrency == "auto" for it in sessions) else most


def speculations(runs: list[AnalyzedRun]) -> list[Block]:
    """Token-level speculative decoding inside the target server, if it does any."""
    rows = []
    for run, label in zip(runs, labels(runs), strict=True):
        it = total_speculation(run.run.manifest)
        if it is None:
            continue
        rows.append(
            {
                "strategy": label,
                "drafts": f"{it.drafts:,}",
                "drafted\ntokens": f"{it.drafted:,}",
                "accepted\ntokens": f"{it.accepted:,}",
                "acceptance\nrate": percent(it.accepted / it.drafted if it.drafted else None, 1),
                "tokens per\nverification": figure(
                    1 + it.accepted / it.drafts if it.drafts else None
                ),
            }
        )
    notes = (
        "The server's own counters during the sessions of the run, other clients included. A "
        "verification emits the accepted tokens of a draft and one token of the target.",
    )
    title = "Speculative decoding in the target server"
    return [Block.of(title, rows, notes, left=("strategy",))] if rows else []


def server_tokens(runs: list[AnalyzedRun]) -> list[Block]:
    """What the servers' own counters say about the sessions of a run, where they are available."""
    rows = []
    for run, label in zip(runs, labels(runs), strict=True):
        for role in ROLES:
            counts = [it.served[role] for it in run.run.manifest.sessions if role in it.served]
            if not counts:
                continue
            read, cached = sum(it.read for it in counts), sum(it.cached for it in counts)
            rows.append(
                {
                    "strategy": label,
                    "server": role,
                    "prompt\ntokens": f"{read:,}",
                    "cached\nshare": percent(cached / read if read else None),
                    "computed": f"{read - cached:,}",
                    "generated": f"{sum(it.generated for it in counts):,}",
                }
            )
    notes = (
        "Changes of the servers' counters between start and end of each session: includes requests "
        "of other clients, excludes sessions that were killed.",
    )
    title = "Tokens as counted by the servers"
    return [Block.of(title, rows, notes, left=("strategy", "server"))] if rows else []


def request_tokens(runs: list[AnalyzedRun]) -> Block:
    """The token counts in the servers' answers, summed over all requests of a run."""
    rows = []
    counted = [run.metrics.overall.tokens for run in runs]
    discarded = any(it.wasted for by_role in counted for it in by_role.values())
    for by_role, label in zip(counted, labels(runs), strict=True):
        for role, it in by_role.items():
            if not it.requests:
                continue
            row = {
                "strategy": label,
                "model": role,
                "requests": f"{it.requests:,}",
                "generated": f"{it.generated:,}",
            }
            if discarded:
                row["draft tokens\ndiscarded"] = f"{it.wasted:,}"
            rows.append(row | {"prompt": f"{it.prompt:,}", "cached prompt": f"{it.cached:,}"})
    notes = (
        "Each request sends its whole prompt again; tokens in the prefix cache cost nothing.",
        UNCOUNTED,
    )
    title = "Tokens as reported with each answer"
    return Block.of(title, rows, notes, left=("strategy", "model"))
