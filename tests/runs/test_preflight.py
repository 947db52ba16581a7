"""Each check of `rsd doctor` passing on fit servers, and failing on one made wrong on purpose."""

from __future__ import annotations

import asyncio
import math

import pytest
from cluster import Cluster

from rsd.errors import BackendError, ConfigError
from rsd.runs import PreflightCheck, examine
from rsd.runs.preflight import preflight
from rsd.testing.tokenizers import ByteTokenizer


def checks(cluster: Cluster, *overrides: str) -> dict[str, PreflightCheck]:
    async def collect() -> dict[str, PreflightCheck]:
        return {check.name: check async for check in examine(cluster.config(*overrides))}

    return asyncio.run(collect())


def test_fit_servers_are_all_ok(cluster: Cluster) -> None:
    found = checks(cluster)
    assert {check.status for check in found.values()} == {"ok"}
    assert list(found) == [
        "draft server",
        "target server",
        "prm server",
        "draft model",
        "draft context",
        "target model",
        "target context",
        "prm model",
        "prm context",
        "draft stop",
        "target stop",
        "tokenizers",
        "prm tokenizer",
        "prm rewards",
        "prm cache",
    ]


def test_a_baseline_is_checked_on_its_own_server_only(cluster: Cluster) -> None:
    found = checks(cluster, "decoding.strategy=target")
    assert list(found) == ["target server", "target model", "target context", "target stop"]


def failure(cluster: Cluster, name: str, *overrides: str, status: str = "fail") -> PreflightCheck:
    """The check called `name`, which must be the only one that is not ok."""
    found = checks(cluster, *overrides)
    assert [check.name for check in found.values() if check.status != "ok"] == [name]
    assert found[name].status == status
    return found[name]


def test_a_server_that_is_down(cluster: Cluster) -> None:
    check = failure(cluster, "target server", "models.target.endpoint=http://127.0.0.1:9/v1")
    assert "cannot be reached" in check.detail
    assert "rsd serve" in check.fix


def test_a_server_of_another_model(cluster: Cluster) -> None:
    found = checks(cluster, "models.draft.served_name=other")
    assert found["draft model"].status == "fail"
    assert found["draft model"].detail == "serves draft, not 'other'"


def test_a_server_that_loaded_another_checkpoint(cluster: Cluster) -> None:
    check = failure(cluster, "target model", "models.target.model=elsewhere", status="warning")
    assert "the configuration says elsewhere" in check.detail


def test_a_context_too_small(cluster: Cluster) -> None:
    found = checks(cluster, "decoding.max_tokens=5000")
    assert {n for n, c in found.items() if c.status == "warning"} == {
        "draft context",
        "target context",
        "prm context",
    }


def test_stop_strings_that_are_not_honoured(cluster: Cluster) -> None:
    cluster.faults("draft").ignore_stop = True
    assert "asked to stop at" in failure(cluster, "draft stop").detail


def test_tokenizers_that_differ(cluster: Cluster) -> None:
    cluster.apps["target"].state.engine.tokenizer = ByteTokenizer(shift=7)
    assert failure(cluster, "tokenizers", status="warning").detail.endswith("text is exchanged")
    assert failure(cluster, "tokenizers", "decoding.prefix=tokens").fix


def test_a_reward_model_that_reads_other_tokens(cluster: Cluster) -> None:
    cluster.apps["prm"].state.engine.tokenizer = ByteTokenizer(shift=7)
    assert checks(cluster)["prm tokenizer"].status == "fail"


@pytest.mark.parametrize("reward", [math.nan, None, 1.5, -0.1])
def test_rewards_that_are_none(cluster: Cluster, reward: float | None) -> None:
    cluster.faults("prm").reward = reward
    found = checks(cluster)
    assert found["prm rewards"].status == "fail"
    assert found["prm cache"].status == "fail"


def test_rewards_that_never_change(cluster: Cluster) -> None:
    cluster.faults("prm").reward = 0.5
    assert "the same reward" in failure(cluster, "prm rewards", status="warning").detail


def test_rewards_that_the_prefix_cache_changes(cluster: Cluster) -> None:
    cluster.faults("prm").warm_drift = -0.2
    found = checks(cluster)
    assert found["prm cache"].status == "fail"
    assert "with its prefix cached" in found["prm cache"].detail


def test_a_run_stops_at_the_first_failed_check(cluster: Cluster) -> None:
    cluster.faults("draft").ignore_stop = True
    with pytest.raises(BackendError, match="draft stop: asked to stop at"):
        asyncio.run(preflight(cluster.config()))


def test_a_prompt_of_another_chat_format(cluster: Cluster) -> None:
    found = checks(cluster, "decoding.prompt=llama3-math-cot")
    assert [n for n, c in found.items() if c.status != "ok"] == ["draft prompt", "target prompt"]
    check = found["target prompt"]
    assert check.status == "warning"
    assert "decoding.prompt llama3-math-cot uses <|start_header_id|>, <|end_header" in check.detail
    assert "set decoding.prompt: chat" in check.fix


def test_a_prompt_without_markers_fits_any_model(cluster: Cluster) -> None:
    assert {check.status for check in checks(cluster, "decoding.prompt=plain").values()} == {"ok"}


def test_settings_that_can_hardly_be_meant_come_first(cluster: Cluster) -> None:
    found = checks(cluster, "decoding.threshold=7")
    assert next(iter(found)) == "settings"
    assert found["settings"].status == "warning"
    assert found["settings"].detail.startswith("decoding.threshold: rewards lie between 0 and 1")


def test_settings_that_leave_nothing_to_run_are_refused_before_any_request(
    cluster: Cluster,
) -> None:
    with pytest.raises(ConfigError, match=r"models.prm.tokenizer: \./gone: no such directory"):
        asyncio.run(preflight(cluster.config("models.prm.tokenizer=./gone")))
    assert not any(app.state.requests for app in cluster.apps.values())
