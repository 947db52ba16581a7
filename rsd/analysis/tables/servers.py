"""The blocks that only the page shows: tasks, latency, servers, models, provenance."""

from __future__ import annotations

from datetime import UTC, datetime

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.tables.accuracy import Block, Column, drafts_kept, labels, run_name, speed_notes
from rsd.analysis.tables.cells import UNKNOWN, accuracy, figure, percent
from rsd.analysis.tables.warnings import UNCOUNTED, failures
from rsd.analysis.timing import most_at_once
from rsd.costs import total_speculation
from rsd.types import ROLES

UNDECIDED_NOTE = (
    "Undecided: grading timed out or crashed, which counts as wrong; rsd grade tries again."
)


def per_task(runs: list[AnalyzedRun]) -> Block:
    """One row a (task, run), and the average of each run that has several tasks."""
    rows: list[tuple[str, ...]] = []
    names = labels(runs)
    late = any(it.undecided or it.undecided_paper for it in (run.metrics.overall for run in runs))
    for task in dict.fromkeys(name for run in runs for name in run.metrics.tasks):
        for run, name in zip(runs, names, strict=True):
            if task not in run.metrics.tasks:
                continue
            it = run.metrics.tasks[task]
            rows.append(
                (
                    task,
                    name,
                    str(it.n) if it.asked in (None, it.n) else f"{it.n} of {it.asked}",
                    accuracy(it.accuracy, it.ci95),
                    percent(it.accuracy_paper, 1),
                    percent(it.target_step_share),
                    drafts_kept(run, it.acceptance_rate),
                    drafts_kept(run, it.acceptance_rate_tokens),
                    failures(it),
                    str(it.ungradable),
                    *([f"{it.undecided} / {it.undecided_paper}"] if late else []),
                )
            )
    several = [pair for pair in zip(runs, names, strict=True) if len(pair[0].metrics.tasks) > 1]
    for run, name in several:
        average = run.metrics.average
        cells = (percent(average.accuracy, 1), percent(average.accuracy_paper, 1))
        rows.append(
            ("average", name, f"{len(run.metrics.tasks)} tasks", *cells, *[UNKNOWN] * (5 + late))
        )
    return Block(
        "By task",
        (
            Column("task", "left"),
            Column("strategy", "left"),
            Column("problems"),
            Column("accuracy %\n[95% interval]", "left"),
            Column("paper's\ngrader"),
            Column("steps by\ntarget"),
            Column("draft steps\nkept"),
            Column("draft tokens\nkept"),
            Column("failed (right\nwithout them)"),
            Column("ungradable"),
            *([Column("undecided\nours / paper's")] if late else []),
        ),
        rows,
        (
            *(["The average is the unweighted mean over the tasks."] if several else []),
            *([UNDECIDED_NOTE] if late else []),
        ),
    )


def as_published(runs: list[AnalyzedRun]) -> list[Block]:
    """What the published program would report of the runs of the profile `paper`, by task."""
    rows: list[tuple[str, ...]] = []
    for run, name in zip(runs, labels(runs), strict=True):
        for task, it in run.metrics.tasks.items():
            if it.paper is None:
                continue
            tokens, finished = it.paper.tokens, max(1, it.n - it.errors)
            counts = (tokens.draft_kept, tokens.draft_rejected, tokens.target)
            rows.append(
                (
                    task,
                    name,
                    f"{it.paper.cut} of {it.n}",
                    percent(it.accuracy_paper, 1),
                    percent(it.paper.accuracy_paper, 1),
                    *(figure(count / finished) for count in counts),
                    drafts_kept(run, tokens.acceptance_rate),
                )
            )
        average = run.metrics.average
        if average.accuracy_paper_with_patience is not None and len(run.metrics.tasks) > 1:
            both = (average.accuracy_paper, average.accuracy_paper_with_patience)
            shown = (percent(value, 1) for value in both)
            rows.append(("average", name, UNKNOWN, *shown, *[UNKNOWN] * 4))
    columns = (
        Column("task", "left"),
        Column("strategy", "left"),
        Column("cut by\npatience"),
        Column("paper's\ngrader"),
        Column("with\npatience"),
        Column("draft tokens\nkept"),
        Column("draft tokens\nrejected"),
        Column("target\ntokens"),
        Column("acceptance\nrate"),
    )
    notes = (
        "Profile paper (docs/paper-profile.md). Patience cuts all unfinished solutions of a task "
        "where no problem finishes in five steps. Tokens are per problem, with patience, of each "
        "step encoded again; the acceptance rate is the share of draft tokens kept.",
    )
    return [Block("As the published program counts", columns, rows, notes)] if rows else []


def servers(runs: list[AnalyzedRun]) -> Block:
    """Latency of a problem, and how much of the time each server had a request."""
    rows = []
    for run, name in zip(runs, labels(runs), strict=True):
        overall = run.metrics.overall
        latency = overall.latency_s
        spread = (latency.p50, latency.p90, latency.p95, latency.p99) if latency else (None,) * 4
        rows.append(
            (
                name,
                *(figure(value) for value in spread),
                _at_a_time(run),
                *(percent(overall.busy[role]) for role in ROLES),
            )
        )
    percentiles = [Column(f"latency\np{p} s") for p in (50, 90, 95, 99)]
    shares = [Column(f"{role} server\nbusy") for role in ("draft", "target", "PRM")]
    return Block(
        "Latency and servers",
        (Column("strategy", "left"), *percentiles, Column("problems\nat a time"), *shares),
        rows,
        (
            "Busy is the share of the working time in which a server had at least one request.",
            *speed_notes(runs),
        ),
    )


def speculations(runs: list[AnalyzedRun]) -> list[Block]:
    """Token-level speculative decoding as the target's server counted it, where it does that."""
    rows = []
    for run, name in zip(runs, labels(runs), strict=True):
        it = total_speculation(run.run.manifest)
        if it is None:
            continue
        length = 1 + it.accepted / it.drafts if it.drafts else None
        rows.append(
            (
                name,
                f"{it.drafts:,}",
                f"{it.drafted:,}",
                f"{it.accepted:,}",
                percent(it.accepted / it.drafted if it.drafted else None, 1),
                figure(length),
            )
        )
    columns = (
        Column("strategy", "left"),
        Column("drafts"),
        Column("drafted\ntokens"),
        Column("accepted\ntokens"),
        Column("accepted\nshare"),
        Column("tokens\na check"),
    )
    notes = (
        "The server's own counters, over all it did in the sessions of the run. A check emits the "
        "accepted tokens of a draft and one of the target's own.",
    )
    return [Block("Speculative decoding in the target's server", columns, rows, notes)][: len(rows)]


def _at_a_time(run: AnalyzedRun) -> str:
    """How many problems were in flight, and whether the servers decided that."""
    sessions = run.run.manifest.sessions
    count = most_at_once(sessions)
    most = UNKNOWN if count is None else str(count)
    return f"auto, {most}" if any(it.concurrency == "auto" for it in sessions) else most


def served(runs: list[AnalyzedRun]) -> list[Block]:
    """What the servers themselves counted over the sessions of a run, where they said it."""
    rows = []
    for run, name in zip(runs, labels(runs), strict=True):
        for role in ROLES:
            counts = [it.served[role] for it in run.run.manifest.sessions if role in it.served]
            if not counts:
                continue
            read, cached = sum(it.read for it in counts), sum(it.cached for it in counts)
            generated = sum(it.generated for it in counts)
            share = percent(cached / read if read else None)
            rows.append((name, role, f"{read:,}", share, f"{read - cached:,}", f"{generated:,}"))
    columns = (
        Column("strategy", "left"),
        Column("server", "left"),
        Column("prompt\ntokens"),
        Column("of them\ncached"),
        Column("computed"),
        Column("generated"),
    )
    notes = (
        "The difference of the servers' counters between the beginning and the end of each "
        "session: with what they did for others meanwhile, without what a killed session did.",
    )
    return [Block("What the servers counted", columns, rows, notes)] if rows else []


def tokens(runs: list[AnalyzedRun]) -> Block:
    """The servers' own counts, summed over all requests of a run."""
    rows = []
    counted = [run.metrics.overall.tokens for run in runs]
    ahead = any(it.wasted for by_role in counted for it in by_role.values())
    for by_role, name in zip(counted, labels(runs), strict=True):
        for role, it in by_role.items():
            if it.requests:
                wasted = [it.wasted] if ahead else []
                counts = (it.requests, it.generated, *wasted, it.prompt, it.cached)
                rows.append((name, role, *(f"{count:,}" for count in counts)))
    return Block(
        "Tokens as the servers counted them",
        (
            Column("strategy", "left"),
            Column("model", "left"),
            Column("requests"),
            Column("generated"),
            *([Column("ahead, in vain")] if ahead else []),
            Column("prompt"),
            Column("of it cached"),
        ),
        rows,
        (
            "Each request sends its whole prompt again; what the prefix cache held cost nothing.",
            UNCOUNTED,
        ),
    )


def models(runs: list[AnalyzedRun]) -> Block:
    """What the servers served."""
    rows = []
    for run, name in zip(runs, labels(runs), strict=True):
        counts = run.run.manifest.parameters
        for role, served in run.run.manifest.models.items():
            size, version = counts[role], served.vllm_version
            rows.append(
                (
                    name,
                    role,
                    served.model,
                    UNKNOWN if size is None else f"{size:,}",
                    f"{served.context:,}",
                    version or UNKNOWN,
                )
            )
    return Block(
        "Models",
        (
            Column("strategy", "left"),
            Column("role", "left"),
            Column("model", "left"),
            Column("parameters"),
            Column("context"),
            Column("vLLM"),
        ),
        rows,
    )


def provenance(runs: list[AnalyzedRun]) -> Block:
    """What it takes to make a run again."""
    rows = []
    for run in runs:
        manifest = run.run.manifest
        started = [session.started_at for session in manifest.sessions]
        first = datetime.fromtimestamp(min(started), UTC) if started else None
        rows.append(
            (
                run_name(run),
                manifest.digest,
                str(manifest.seed),
                manifest.prefix,
                (manifest.git_commit or UNKNOWN)[:12],
                f"{first:%Y-%m-%d %H:%M} UTC" if first else UNKNOWN,
                str(len(started)),
                manifest.host,
                ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
            )
        )
    plain = ("digest", "seed", "prefix", "commit", "first started", "sessions", "host", "versions")
    columns = tuple(Column(heading, "left") for heading in ("run", *plain))
    return Block("Provenance", columns, rows)
