"""Token-level speculative decoding inside the target's server: flags, counts, cost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from sweep.fake_vllm_server import speculate

from rsd.analysis import analyze, render_page, render_table
from rsd.config import Config
from rsd.costs import CostTotals, SpeculationCost, flops, speculation_cost
from rsd.errors import BackendError, ConfigError
from rsd.records import Speculation, read_run
from rsd.runs import examine, execute
from rsd.runs.speculation import between
from rsd.serving import build, preflight

DRAFT = "models.target.serve.speculative={model: org/small, tokens: 3, parameters: 500}"
TARGET = ("decoding.strategy=target", DRAFT)


def flag(config: Config) -> Any:
    argv = build(config, "target").argv
    return json.loads(argv[argv.index("--speculative-config") + 1])


def test_the_server_is_told_by_vllms_flag(cluster: Cluster) -> None:
    assert flag(cluster.config(DRAFT)) == {
        "method": "draft_model",
        "model": "org/small",
        "num_speculative_tokens": 3,
    }
    ngram = "{method: ngram, tokens: 2, options: {prompt_lookup_max: 4}}"
    assert flag(cluster.config(f"models.target.serve.speculative={ngram}")) == {
        "method": "ngram",
        "prompt_lookup_max": 4,
        "num_speculative_tokens": 2,
    }
    assert "--speculative-config" not in build(cluster.config(), "target").argv
    assert "--speculative-config" not in build(cluster.config(DRAFT), "draft").argv


def test_the_hub_is_off_limits_only_if_all_is_local(cluster: Cluster) -> None:
    assert "HF_HUB_OFFLINE" in build(cluster.config(), "target").env
    assert "HF_HUB_OFFLINE" not in build(cluster.config(DRAFT), "target").env


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("target.serve.speculative={tokens: 4}", "method draft_model needs a model"),
        ("target.serve.speculative={model: x, tokns: 4}", "speculative.tokns: unknown key"),
        ("target.serve.speculative={method: ngram, model: x}", "method ngram takes no model"),
        ("target.serve.speculative={method: ngram}", "needs options: {prompt_lookup_max: N}"),
        ("draft.serve.speculative={model: x}", "only the target's server takes it"),
        ("prm.serve.speculative={model: x}", "only the target's server takes it"),
    ],
)
def test_a_wrong_setting_is_told(cluster: Cluster, override: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        cluster.config(f"models.{override}")


def test_a_missing_draft_is_told_before_a_server_starts(cluster: Cluster) -> None:
    config = cluster.config("models.target.serve.speculative={model: ./nowhere}")
    (Path(config.models.target.model) / "config.json").write_text("{}")
    preflight.check_models(config, ["draft"])
    with pytest.raises(ConfigError, match=r"serve\.speculative\.model: \./nowhere: no such dir"):
        preflight.check_models(config, ["target"])


def test_it_makes_another_run_only_where_the_target_writes(cluster: Cluster) -> None:
    assert cluster.config().digest != cluster.config(DRAFT).digest
    alone = "decoding.strategy=draft"
    assert cluster.config(alone).digest == cluster.config(alone, DRAFT).digest


def test_a_session_keeps_what_the_server_counted(cluster: Cluster) -> None:
    engine = cluster.apps["target"].state.engine
    speculate(engine)
    outcome = asyncio.run(execute(cluster.config(*TARGET)))
    run = read_run(outcome.directory)
    (session,) = run.manifest.sessions
    counts = session.speculation
    assert counts is not None
    written = sum(step.tokens for t in run.trajectories.values() for step in t.steps)
    assert abs(counts.drafts - written / 3) < 1  # nothing from before the session
    assert (counts.drafted, counts.accepted) == (4 * counts.drafts, 2 * counts.drafts)
    assert run.manifest.speculative_parameters == 500
    analyzed = analyze(run)
    page = render_page([analyzed])
    assert "Speculative decoding in the target server" in page
    assert "50.0%" in page
    assert "target alone + SD" in render_table([analyzed])


def test_what_the_server_does_must_be_what_the_configuration_says(cluster: Cluster) -> None:
    with pytest.raises(BackendError, match=r"speculative is set, but the server does not decode"):
        asyncio.run(execute(cluster.config(*TARGET)))
    speculate(cluster.apps["target"].state.engine)
    with pytest.raises(BackendError, match=r"the configuration does not say so; set models"):
        asyncio.run(execute(cluster.config("decoding.strategy=target")))
    assert "target speculation" in [c.name for c in asyncio.run(checks(cluster.config(DRAFT)))]
    asyncio.run(execute(cluster.config("decoding.strategy=draft")))


async def checks(config: Config) -> list[Any]:
    return [check async for check in examine(config)]


BEFORE = (3, 12, 7)


@pytest.mark.parametrize(
    ("before", "after", "added"),
    [
        ([BEFORE], [(5, 20, 12)], (2, 8, 5)),
        ([BEFORE], [BEFORE], (0, 0, 0)),
        ([BEFORE], [(2, 20, 12)], None),  # restarted meanwhile
        ([BEFORE], [None], None),
        ([BEFORE, (1, 4, 2)], [(5, 20, 12), (2, 8, 3)], (3, 12, 6)),
        ([BEFORE, (1, 4, 2)], [(5, 20, 12), (0, 0, 0)], None),  # one was restarted
        ([], [], None),
    ],
)
def test_what_was_added_is_the_difference_of_the_counts_of_each_server(
    before: list[Any], after: list[Any], added: tuple[int, ...] | None
) -> None:
    them = [[each and counts(*each) for each in every] for every in (before, after)]
    assert between(*them) == (counts(*added) if added else None)


def counts(drafts: int, drafted: int, accepted: int) -> Speculation:
    return Speculation(drafts=drafts, drafted=drafted, accepted=accepted)


def test_cost_by_hand(cluster: Cluster) -> None:
    """A target that read 20 tokens and wrote 30, in checks of 4 drafted tokens with 2 accepted:
    10 checks, 40 drafted tokens, 20 of them read in vain."""
    work = CostTotals(processed_target=50, target_tokens_generated=30)
    sizes = {"draft": 7, "target": 100, "prm": 9}
    cost = SpeculationCost(drafted=4 / 3, rejected=2 / 3, parameters=10)
    target, draft = 2 * 100 * (50 + 20), 2 * 10 * (20 + 40)
    assert flops(work, sizes, cost).prm_once == pytest.approx(target + draft)
    assert flops(work, sizes).prm_once == 2 * 100 * 50
    assert flops(work, sizes, SpeculationCost(4 / 3, 2 / 3, None)).prm_once is None
    ngram = flops(work, sizes, SpeculationCost(4 / 3, 2 / 3, 0))
    assert ngram.prm_once == pytest.approx(target)


def test_cost_is_a_rate_over_all_sessions(cluster: Cluster) -> None:
    speculate(cluster.apps["target"].state.engine)
    config = cluster.config(*TARGET)
    manifest = read_run(asyncio.run(execute(config)).directory).manifest
    (session,) = manifest.sessions
    first = session.model_copy(update={"speculation": counts(10, 40, 20)})
    second = session.model_copy(update={"speculation": counts(10, 40, 0)})
    killed = session.model_copy(update={"speculation": None})
    several = manifest.model_copy(update={"sessions": (first, killed, second)})
    assert speculation_cost(several) == SpeculationCost(80 / 40, 60 / 40, 500)
    assert speculation_cost(manifest.model_copy(update={"sessions": (killed,)})) is None
