"""The self-contained page of one or more runs.

It loads nothing, and its content security policy allows no script but its own. The template escapes
everything, and texts of models are packed (`rsd.analysis.report.trajectories`).
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from rsd import __version__
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.paper.published import Published, read_published
from rsd.analysis.paper.tables import against_paper, as_published
from rsd.analysis.plots import Plot, missing, plots
from rsd.analysis.report.headline import headline
from rsd.analysis.report.trajectories import MOST, pack
from rsd.analysis.tables.accuracy import accuracy_and_cost, differences, per_task
from rsd.analysis.tables.block import Block
from rsd.analysis.tables.labels import labels
from rsd.analysis.tables.provenance import models, provenance
from rsd.analysis.tables.samples import by_samples
from rsd.analysis.tables.speed import (
    request_tokens,
    server_tokens,
    servers,
    speculations,
    tokens_and_speed,
)
from rsd.errors import ConfigError
from rsd.records import write_atomically

SCRIPTS = ("symbols", "math", "commands", "text", "problem", "list", "page")
"""The page's scripts, without `.js`, in the order in which they are joined."""

NAMED = 3
"""How many names of runs fit into the page's title."""


def render_page(
    runs: list[AnalyzedRun],
    published: Published | None = None,
    most: int = MOST,
    drawn: list[Plot] | None = None,
) -> str:
    """The page for `runs` (at least one). With `published`, each run is compared with its published
    row; without, only the runs whose configuration names one. The steps of all problems take at
    most `most` characters of base64. `drawn` are the plots of `runs`, if they are drawn already."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = f"(() => {{\n{''.join(_read(f'{name}.js') for name in SCRIPTS)}}})();\n"
    top = headline(runs)
    return environment.from_string(_read("page.html")).render(
        title=_title(runs),
        headline=top,
        best=next((i for i, run in enumerate(runs) if run is top.best), 0),
        no_plots=missing(),
        plots=plots(runs) if drawn is None else drawn,
        tables=_tables(runs, published),
        details=_details(runs),
        settings=[
            {
                "label": label,
                "manifest": run.run.manifest.model_dump_json(indent=2),
                "determinants": json.dumps(
                    run.run.config.determinants(), indent=2, ensure_ascii=False
                ),
            }
            for run, label in zip(runs, labels(runs), strict=True)
        ],
        packed=pack(runs, most),
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        policy=_policy(script),
        style=_read("page.css"),
        script=script,
    )


def write_page(
    runs: list[AnalyzedRun],
    path: Path,
    published: Published | None = None,
    drawn: list[Plot] | None = None,
) -> None:
    """Write the page for `runs` to `path`. Raises `StoreError`."""
    write_atomically(path, render_page(runs, published, drawn=drawn))


def _title(runs: list[AnalyzedRun]) -> str:
    names = list(dict.fromkeys(run.run.manifest.name for run in runs))
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{len(runs)} runs in {runs[0].run.directory.resolve().parent.name}/"


def _tables(runs: list[AnalyzedRun], published: Published | None) -> list[Block]:
    """The tables in the middle of the page, in their order."""
    return [
        accuracy_and_cost(runs),
        *by_samples(runs),
        *differences(runs),
        tokens_and_speed(runs),
        per_task(runs),
        *as_published(runs),
        *_beside_paper(runs, published),
    ]


def _beside_paper(runs: list[AnalyzedRun], published: Published | None) -> list[Block]:
    if published is not None:
        return against_paper(runs, published)
    naming = [run for run in runs if run.run.config.paper_row is not None]
    try:
        return against_paper(naming, read_published()) if naming else []
    except ConfigError:  # rsd is installed without its repository, or the file is unreadable
        return []


def _details(runs: list[AnalyzedRun]) -> list[Block]:
    """The folded tables at the end of the page, in their order."""
    return [
        servers(runs),
        *speculations(runs),
        request_tokens(runs),
        *server_tokens(runs),
        models(runs),
        provenance(runs),
    ]


def _policy(script: str) -> str:
    """The content security policy: run `script`, style itself, and nothing else."""
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _read(name: str) -> str:
    return files("rsd.analysis.report").joinpath("static", name).read_text(encoding="utf-8")
