"""Tokens that the reward model computes for a solution, against its length in steps.

    python benchmarks/prm_tokens.py [--ports DRAFT TARGET PRM --running]

On the demo's real reward model server, each solution is scored step by step in two ways: as `rsd`
does it, and the whole prefix at every step, as the published program does it. That asks for a
score of every token, which vLLM answers without its prefix cache; here each such request has a
cache salt of its own, so that it finds nothing cached, which computes the same tokens. The counts
are the server's own (`vllm:prompt_tokens` less `vllm:prompt_tokens_cached`).

The solutions are the benchmark's own steps, joined to solutions of the wanted length.
"""

from __future__ import annotations

import asyncio
import uuid
from itertools import chain, islice
from statistics import fmean

from harness.common import (
    BLUE,
    GREY,
    ORANGE,
    argument_parser,
    bootstrap_ratio,
    demo_servers,
    new_figure,
    save_plot,
    say,
    write_result,
)

from rsd.backends import Server, open_scorer, read_metrics
from rsd.config import Config
from rsd.testing.reasoner import load_solutions

STEPS, SOLUTIONS = 24, 20
AT, AIM = 20, 5.0  # steps, and how many times fewer tokens
OURS, WHOLE = "rsd", "whole prefix"


def solutions(config: Config) -> list[tuple[str, list[str]]]:
    """Questions with STEPS steps each: its own, and then those of the questions after it."""
    known = list(load_solutions(["demo"], config.tasks.data_dir).items())
    return [
        (question, list(islice(chain.from_iterable(own for _, own in known[at:]), STEPS)))
        for at, (question, _) in enumerate(known[:SOLUTIONS])
    ]


async def computed(server: Server, after: int) -> int:
    """Prompt tokens that the server has computed in all, once its counters, which follow its
    answers, have reached `after` prompt tokens."""
    async with asyncio.timeout(30):
        while True:
            metrics = await read_metrics(server)
            if metrics is None:
                raise SystemExit(f"{server}: no metrics of vLLM")
            if metrics.prompt_tokens >= after:
                return metrics.prompt_tokens - metrics.cached_tokens
            await asyncio.sleep(0.01)


async def count(config: Config, way: str) -> list[list[int]]:
    """For each solution, the tokens computed for its first k steps, k from 1 to STEPS."""
    server = Server("prm", config.models.prm)
    scorer = open_scorer(config, server)
    start = await read_metrics(server)
    if start is None:
        raise SystemExit(f"{server}: no metrics of vLLM")
    read, base = start.prompt_tokens, start.prompt_tokens - start.cached_tokens
    curves = []
    try:
        for question, steps in solutions(config):
            curve = []
            server.cache_salt = uuid.uuid4().hex  # nothing of an earlier solution or run
            for k in range(1, len(steps) + 1):
                if way == WHOLE:
                    server.cache_salt = uuid.uuid4().hex
                read += (await scorer.score(question, steps[:k])).usage.prompt_tokens
                curve.append(await computed(server, read) - base)
            base += curve[-1]
            curves.append(curve)
    finally:
        await server.aclose()
    return curves


def plot(curves: dict[str, list[list[int]]]) -> None:
    figure, (axes,) = new_figure()
    for way, colour in ((WHOLE, ORANGE), (OURS, BLUE)):
        means = [fmean(at) for at in zip(*curves[way], strict=True)]
        axes.plot(range(1, STEPS + 1), means, "o-", color=colour, label=way)
    axes.axvline(AT, color=GREY, linestyle=":")
    axes.set(
        xlabel="steps of the solution", ylabel="tokens computed for its scores", ylim=(0, None)
    )
    axes.legend()
    save_plot("prm_tokens", figure)


def main() -> None:
    parser = argument_parser(__doc__, servers=True)
    asked = parser.parse_args()
    with demo_servers(asked.ports, start=not asked.running) as demo:
        config = demo.config()
        curves = {way: asyncio.run(count(config, way)) for way in (OURS, WHOLE)}
    ratios = {
        steps: bootstrap_ratio(*([c[steps - 1] for c in curves[way]] for way in (WHOLE, OURS)))
        for steps in (1, 5, 10, AT, STEPS)
    }
    plot(curves)
    result = {
        "aim": AIM,
        "solutions": SOLUTIONS,
        "block_size": config.models.prm.serve.block_size,
        "times_fewer_by_steps": {steps: list(ratio) for steps, ratio in ratios.items()},
        "mean_tokens_by_steps": {
            way: [round(fmean(at), 1) for at in zip(*curves[way], strict=True)] for way in curves
        },
    }
    say(f"{AT} steps: {ratios[AT]} times fewer; {write_result('prm_tokens', result)}")


if __name__ == "__main__":
    main()
