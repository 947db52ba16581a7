"""`rsd prompt`: what each model and the reward model will see."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from rsd.backends import Prompts, Server, load_tokenizer, open_scorer, scoring_role
from rsd.cli.options import ConfigFile, Overrides
from rsd.config import Config, load, ready
from rsd.errors import ConfigError, printable
from rsd.tasks import load_problems, tasks_of
from rsd.types import Prefix, Problem, Source

_STEPS = ("<first step>", "<second step>")


def prompt(
    config: ConfigFile,
    task: Annotated[str | None, typer.Option(help="a benchmark; the first by default")] = None,
    problem: Annotated[str | None, typer.Option(help="its id; the first by default")] = None,
    override: Overrides = None,
) -> None:
    """Print exactly what draft, target and reward model will read of a problem, with token counts.

    No server is asked, unless the target is the judge. Tokenizers are loaded as for a run.
    """
    resolved = ready(load(config, override or ()), config)
    chosen = _problem(resolved, task, problem)
    typer.echo(f"{chosen.task}/{chosen.problem_id}, gold answer {printable(chosen.gold)}")
    prefixes = Prompts(resolved).prefixes(chosen.question)
    for source, prefix in prefixes.items():
        if source in resolved.roles:
            _show(source, prefix.text, _tokens(resolved, source, prefix))
    if (role := scoring_role(resolved)) is not None:
        text, tokens = asyncio.run(_scored(resolved, chosen.question))
        what = "reward model" if role == "prm" else "judge (the target)"
        _show(f"{what}, with two steps", text, tokens)


def _problem(config: Config, task: str | None, wanted: str | None) -> Problem:
    tasks = tasks_of(config.tasks)
    name = task or config.tasks.names[0]
    if name not in tasks:
        raise ConfigError(f"--task {name}: tasks.names has {', '.join(tasks)}")
    problems = load_problems(tasks[name], config.tasks.data_dir)
    for found in problems:
        if wanted in (None, found.problem_id):
            return found
    some = ", ".join(it.problem_id for it in problems[:5])
    raise ConfigError(f"--problem {wanted}: {name} has no such id; it has {some} ...")


def _tokens(config: Config, source: Source, prefix: Prefix) -> int:
    if prefix.token_ids is not None:
        return len(prefix.token_ids)
    model = config.models.role(source).model
    return len(load_tokenizer(model, key=f"models.{source}.model")(prefix.text).input_ids)


async def _scored(config: Config, question: str) -> tuple[str, int]:
    """The input that rewards the second of two steps, and its tokens."""
    role = scoring_role(config)
    assert role is not None
    model = config.models.role(role)
    server = Server(role, model)
    try:
        scorer = open_scorer(config, server)
        ids = scorer.input_ids(question, _STEPS)  # type: ignore[attr-defined]
        ids = ids if isinstance(ids, list) else await ids
    finally:
        await server.aclose()
    prm = config.models.prm
    name = (prm.tokenizer or prm.model) if role == "prm" else model.model
    return str(load_tokenizer(name).decode(ids)), len(ids)


def _show(title: str, text: str, tokens: int) -> None:
    typer.echo(f"\n--- {title}: {tokens} tokens ---")
    typer.echo(printable(text, keep="\n\t"))
