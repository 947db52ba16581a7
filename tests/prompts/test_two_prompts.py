"""Models with chat templates of their own share one response."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest
from cluster import Cluster
from gateway.running import Running, with_gateway
from typer.testing import CliRunner

from rsd.backends import Prompts
from rsd.cli.main import app
from rsd.errors import ConfigError
from rsd.records import RunRecord, read_run
from rsd.runs import examine, execute
from rsd.types import Completion, Prefix, Query, Role, Usage

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BRACKETS = (
    "{% for m in messages %}[{{ m.role }}]\n{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
CHAT = ("decoding.prompt=chat", "decoding.system=Think.", "decoding.user=boxed")


@pytest.fixture
def two_templates(cluster: Cluster) -> tuple[str, ...]:
    """Overrides by which draft and target have chat templates of their own."""
    folder = cluster.path.parent
    for role, template in (("draft", CHATML), ("target", BRACKETS)):
        shutil.copytree(folder / "tokenizer", folder / role)
        settings = folder / role / "tokenizer_config.json"
        values = json.loads(settings.read_text()) | {"chat_template": template}
        settings.write_text(json.dumps(values))
    return (
        *CHAT,
        f"models.draft.model={folder / 'draft'}",
        f"models.target.model={folder / 'target'}",
    )


def run(cluster: Cluster, *overrides: str) -> RunRecord:
    outcome = asyncio.run(execute(cluster.config(*overrides)))
    assert outcome.failed == 0
    return read_run(outcome.directory)


def steps(record: RunRecord) -> dict[object, list[tuple[object, ...]]]:
    return {
        key: [(step.source, step.text, step.reward, step.accepted) for step in trajectory.steps]
        for key, trajectory in record.trajectories.items()
    }


def prompts_sent(cluster: Cluster, role: Role, beginning: int) -> set[str]:
    """The first characters of what the server of `role` was asked to continue."""
    engine = cluster.apps[role].state.engine
    found = set()
    for request in cluster.apps[role].state.requests:
        if request.path == "/v1/completions":
            prompt = request.body["prompt"]
            text = prompt if isinstance(prompt, str) else engine.tokenizer.decode(prompt)
            found.add(text[:beginning])
    return found


@pytest.mark.parametrize("prefix", ["tokens", "text"])
@pytest.mark.parametrize("strategy", ["rsd", "random", "oracle"])
def test_each_model_reads_its_own_template_and_the_solutions_are_the_same(
    cluster: Cluster, two_templates: tuple[str, ...], prefix: str, strategy: str
) -> None:
    how = (f"decoding.prefix={prefix}", f"decoding.strategy={strategy}")
    named = run(cluster, *how)
    for app_ in cluster.apps.values():
        app_.state.requests.clear()
    chat = run(cluster, *how, *two_templates)
    assert steps(chat) == steps(named)
    assert chat.manifest.digest != named.manifest.digest
    assert prompts_sent(cluster, "draft", 12) == {"<|im_start|>"}
    assert prompts_sent(cluster, "target", 8) == {"[system]"}


def test_a_run_that_is_resumed_is_the_one_left_alone(
    cluster: Cluster, two_templates: tuple[str, ...]
) -> None:
    whole = run(cluster, *two_templates)
    part = (*two_templates, f"run.output_dir={cluster.path.parent / 'part'}")
    run(cluster, *part, "run.limit=5")
    assert steps(run(cluster, *part)) == steps(whole)


def test_the_gateway_renders_as_a_run_does(
    cluster: Cluster, two_templates: tuple[str, ...]
) -> None:
    question = next(iter(run(cluster, *two_templates).trajectories.values())).question
    expected = Prompts(cluster.config(*two_templates)).prefixes(question)
    for app_ in cluster.apps.values():
        app_.state.requests.clear()

    async def test(gateway: Running) -> None:
        said = f"{question}\n\nPlease reason step by step, and put your final answer within "
        await gateway.client().chat.completions.create(
            model="rsd", messages=[{"role": "user", "content": said + "\\boxed{}."}]
        )

    with_gateway(cluster, test, *two_templates)
    request = next(
        it for it in cluster.apps["draft"].state.requests if it.path == "/v1/completions"
    )
    assert tuple(request.body["prompt"]) == expected["draft"].token_ids


def test_a_model_without_a_template_gets_the_others(
    cluster: Cluster, two_templates: tuple[str, ...]
) -> None:
    bare = f"models.draft.model={cluster.path.parent / 'tokenizer'}"
    prefixes = Prompts(cluster.config(*two_templates, bare)).prefixes("1+1?")
    assert prefixes["draft"] == prefixes["target"]
    with pytest.raises(ConfigError, match=r"decoding.prompt: chat needs a model with a chat"):
        Prompts(cluster.config(*CHAT))


def test_the_doctor_compares_the_prompt_with_the_models_template(
    cluster: Cluster, two_templates: tuple[str, ...]
) -> None:
    def found(*overrides: str) -> dict[str, tuple[str, str, str]]:
        async def collect() -> dict[str, tuple[str, str, str]]:
            config = cluster.config(*overrides)
            return {it.name: (it.status, it.detail, it.fix) async for it in examine(config)}

        return asyncio.run(collect())

    models = two_templates[3:]
    chat = found(*two_templates)
    assert chat["draft prompt"][0] == chat["target prompt"][0] == "ok"
    named = found(*models, "decoding.prompt=plain")
    status, detail, fix = named["target prompt"]
    assert status == "warning"
    assert "plain has 'Tom has 3 boxes" in detail
    assert "has '[user]" in detail
    assert "set decoding.prompt: chat" in fix


def test_prompts_are_shown_with_their_tokens(
    cluster: Cluster, two_templates: tuple[str, ...]
) -> None:
    options = [part for override in two_templates for part in ("-o", override)]
    shown = CliRunner().invoke(app, ["prompt", str(cluster.path), "--problem", "p3", *options])
    assert shown.exit_code == 0, shown.output
    prefixes = Prompts(cluster.config(*two_templates)).prefixes(
        "Ann has 13 pens, gets 20 and loses 5. How many are left?"
    )
    for source, prefix in prefixes.items():
        tokens = len(prefix.token_ids or ())
        assert f"--- {source}: {tokens} tokens ---\n{prefix.text}" in shown.output
    assert "--- reward model, with two steps: " in shown.output
    assert "demo/p3, gold answer 28" in shown.output
    absent = CliRunner().invoke(app, ["prompt", str(cluster.path), "--problem", "x", *options])
    assert isinstance(absent.exception, ConfigError)


def test_a_response_grows_alike_after_two_prompts() -> None:
    def completion(prompt: tuple[int, ...], *ids: int) -> Completion:
        usage = Usage(1, len(prompt), 0, len(ids))
        return Completion("a", "stop", "\n\n", usage, 0.0, 0.0, prompt, ids)

    prompts = {"draft": Prefix("D", (1, 2)), "target": Prefix("T", (3, 4, 5))}
    query = Query("D", "q", prompts=prompts).after(  # type: ignore[arg-type]
        [completion((1, 2), 7, 8), completion((3, 4, 5, 7, 8), 9)], "\n\n"
    )
    assert query.prefix("draft") == Prefix("Da\n\na\n\n", (1, 2, 7, 8, 9))
    assert query.prefix("target") == Prefix("Ta\n\na\n\n", (3, 4, 5, 7, 8, 9))
    assert query.prompt == "Da\n\na\n\n"
