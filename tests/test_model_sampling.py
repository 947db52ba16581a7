"""How each model samples: keys, digests, what is sent, and what a checkpoint recommends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from cluster import Cluster
from hypothesis import given
from hypothesis import strategies as st

from rsd.backends import recommended_sampling, with_model_sampling
from rsd.config import Config, config_issues, differing_keys, load
from rsd.errors import ConfigError
from rsd.gateway.catalog import catalog, connection_config, requested
from rsd.protocols import NEUTRAL_SAMPLING, Sampling
from rsd.runs import identified

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"
SEVERAL = ("decoding.sampling=model", "decoding.strategy=majority", "decoding.candidates=2")
QWEN3 = {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "pad_token_id": 1}


def configured(*settings: str) -> Config:
    return load(DEMO, [f"decoding.{setting}" for setting in settings])


def checkpoint(directory: Path, stated: object) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "generation_config.json").write_text(json.dumps(stated))
    return str(directory)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("top_k=0", "decoding.top_k: Input should be greater than or equal to 1"),
        ("min_p=1.5", "decoding.min_p: Input should be less than or equal to 1"),
        ("presence_penalty=-3", "presence_penalty: Input should be greater than or equal to -2"),
        ("repetition_penalty=0", "decoding.repetition_penalty: Input should be greater than 0"),
        ("sampling=modell", "decoding.sampling: Input should be 'model' or expected keys below"),
        ("sampling.draft.topk=3", r"decoding\.sampling\.draft\.topk: unknown key; did you mean to"),
        ("sampling.prm.top_k=3", r"decoding\.sampling\.prm: unknown key; known here: draft, targ"),
        ("sampling.target.min_p=2", r"decoding\.sampling\.target\.min_p: Input should be less"),
        ("sampling={draft: 1}", r"decoding\.sampling\.draft: expected keys below it"),
    ],
)
def test_wrong_values_are_named_where_they_stand(settings: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configured(settings)


@pytest.mark.parametrize(
    "setting", ["top_k=5", "min_p=0.1", "presence_penalty=1", "repetition_penalty=2"]
)
def test_the_profile_paper_sends_none_of_them(setting: str) -> None:
    key = setting.partition("=")[0]
    for refused, told in ((setting, key), (f"sampling.draft.{setting}", "sampling")):
        with pytest.raises(ConfigError, match=f"profile paper does not send {told}; remove"):
            configured("profile=paper", refused)
    with pytest.raises(ConfigError, match="profile paper does not send sampling"):
        configured("profile=paper", "sampling=model")


def test_each_model_has_its_own_values_and_else_the_shared_ones() -> None:
    decoding = configured(
        "temperature=0.7", "top_k=20", "sampling={draft: {temperature: 0}, target: {top_k: 5}}"
    ).decoding
    assert decoding.sampled("draft") == Sampling(temperature=0, top_k=20)
    assert decoding.sampled("target") == Sampling(temperature=0.7, top_k=5)


values = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1, exclude_min=True),
        "top_k": st.integers(1, 1000),
        "min_p": st.floats(0, 1),
        "presence_penalty": st.floats(-2, 2),
        "repetition_penalty": st.floats(0.5, 2),
    },
)


@given(values, values, values)
def test_sampling_survives_a_file_and_decides_the_digest(
    shared: dict[str, float], draft: dict[str, float], target: dict[str, float]
) -> None:
    config = load(DEMO)
    decoding = config.decoding.model_dump() | shared
    decoding["sampling"] = {"draft": draft, "target": target}
    changed = Config.model_validate({**config.model_dump(), "decoding": decoding})
    assert Config.model_validate(changed.model_dump(exclude_none=True)) == changed
    for source, own in (("draft", draft), ("target", target)):
        expected = Sampling(**(shared | own))  # type: ignore[arg-type]
        assert changed.decoding.sampled(source) == expected  # type: ignore[arg-type]
    same = {changed.decoding.sampled(source) for source in ("draft", "target")} == {Sampling()}
    assert (changed.digest == config.digest) <= same


def test_neutral_values_are_no_part_of_a_digest() -> None:
    for settings in ((), ("strategy=draft",), ("strategy=my:Own",)):
        told = configured(*settings).determinants()["decoding"]
        assert not told.keys() & {*NEUTRAL_SAMPLING, "sampling"}
    neutral = ("top_k=null", "min_p=0.0", "repetition_penalty=1", "sampling={target: {}}")
    assert configured(*neutral).digest == load(DEMO).digest == "0666826561"
    for key in ("top_k=9", "sampling.draft.presence_penalty=1"):
        keys = differing_keys(configured(key).determinants(), load(DEMO).determinants())
        assert keys == [f"decoding.{key.split('=')[0].split('.')[0]}"]


def test_values_for_a_model_that_does_not_write_decide_nothing() -> None:
    alone = ("strategy=draft", "temperature=0.7")
    assert configured(*alone, "sampling.target.top_k=5").digest == configured(*alone).digest
    assert configured(*alone, "sampling.draft.top_k=5").digest != configured(*alone).digest


@pytest.mark.parametrize(
    ("settings", "enough"),
    [
        (("samples=2", "sampling.target.temperature=0.7"), True),
        (("samples=2", "temperature=0.7", "sampling.target.temperature=0"), True),
        (("samples=2", "strategy=draft", "sampling.target.temperature=0.7"), False),
        (("candidates=2", "sampling.draft.temperature=0.7"), True),
        (("candidates=2", "sampling.target.temperature=0.7"), False),
        (("strategy=majority", "writer=target", "candidates=2", "temperature=0.7"), True),
        (
            (
                *("strategy=majority", "writer=target", "candidates=2", "temperature=0.7"),
                "sampling.target.temperature=0",
            ),
            False,
        ),
        (("candidates=2", "samples=2", "sampling=model"), True),  # told once it is read
    ],
)
def test_several_need_a_temperature_of_the_model_that_writes_them(
    settings: tuple[str, ...], enough: bool
) -> None:
    if enough:
        configured(*settings)
    else:
        with pytest.raises(ConfigError, match="need a temperature above 0"):
            configured(*settings)


@pytest.mark.parametrize(
    ("settings", "issues"),
    [
        (("top_k=20",), ["top_k: 20"]),
        (("min_p=0.1", "sampling.draft.temperature=1"), []),
        (("min_p=0.1", "sampling.target.min_p=0.2"), ["min_p: 0.1", "sampling.target.min_p: 0.2"]),
        (("temperature=1", "sampling.draft={temperature: 0, top_k: 9}"), ["sampling.draft.top_k"]),
        (("strategy=draft", "sampling.target.top_k=9"), []),
        (("repetition_penalty=1.05", "presence_penalty=1"), []),  # the most probable one changes
        (("sampling=model", "top_k=20"), []),
    ],
)
def test_what_has_no_effect_at_temperature_0(settings: tuple[str, ...], issues: list[str]) -> None:
    found = [str(it) for it in config_issues(configured(*settings))]
    assert len(found) == len(issues)
    for told, expected in zip(found, issues, strict=True):
        assert told.startswith(f"decoding.{expected}")
        assert "has no effect at temperature 0; set decoding." in told


def test_min_p_beside_token_level_speculation_stops_a_run() -> None:
    speculative = "{method: ngram, tokens: 4, options: {prompt_lookup_max: 3}}"
    overrides = ("decoding.min_p=0.1", "decoding.temperature=1")
    config = load(DEMO, [*overrides, f"models.target.serve.speculative={speculative}"])
    (issue,) = [it for it in config_issues(config) if it.fatal]
    assert str(issue).startswith("decoding.min_p: 0.1 is refused by a target with serve.spec")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (QWEN3, {"temperature": 0.6, "top_k": 20, "top_p": 0.95}),
        (QWEN3 | {"top_k": 0, "min_p": 0.05}, {"temperature": 0.6, "top_p": 0.95, "min_p": 0.05}),
        (QWEN3 | {"do_sample": False}, {"temperature": 0}),
        (
            {"do_sample": False, "repetition_penalty": 1.05, "temperature": None},
            {"temperature": 0, "repetition_penalty": 1.05},
        ),
        ({"do_sample": True, "top_p": 0.9}, {"temperature": 1, "top_p": 0.9}),
        ({"eos_token_id": 2}, {}),
    ],
)
def test_what_a_checkpoint_recommends(
    stated: object, expected: Mapping[str, float], tmp_path: Path
) -> None:
    assert recommended_sampling(checkpoint(tmp_path, stated)).model_dump() == expected


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"temperature": "hot"}, "its temperature: Input should be a valid number"),
        ({"min_p": 7}, "its min_p: Input should be less than or equal to 1"),
        ([], "its generation_config.json cannot be read"),
    ],
)
def test_a_checkpoint_that_states_nonsense(stated: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"decoding.sampling: model: .*{message}.*; write the n"):
        recommended_sampling(checkpoint(tmp_path, stated))


def test_a_checkpoint_that_states_nothing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(model: str, name: str) -> str:
        raise OSError(f"{model}/{name}:\n  no network")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    for model, reason in ((str(tmp_path), "No such file"), ("org/name", "org/name.*no network")):
        with pytest.raises(ConfigError, match=f"sampling: model: {model}: its .*{reason}") as error:
            recommended_sampling(model)
        assert "\n" not in str(error.value)


def test_a_name_on_the_hub_is_looked_up_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(model: str, name: str) -> str:
        asked.append((model, name))
        return str(Path(checkpoint(tmp_path, QWEN3)) / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    for _ in range(2):  # once for both models, and for all requests
        assert recommended_sampling("org/of-this-test").temperature == 0.6
    assert asked == [("org/of-this-test", "generation_config.json")]


def test_the_numbers_take_the_place_of_the_word(cluster: Cluster, tmp_path: Path) -> None:
    """They are in the digest and in the stored configuration, which needs no checkpoint again."""
    draft = checkpoint(tmp_path / "draft", QWEN3)
    target = checkpoint(tmp_path / "target", {"do_sample": False})
    models = (f"models.draft.model={draft}", f"models.target.model={target}")
    config = load(cluster.path, [*models, "decoding.sampling=model", "decoding.presence_penalty=1"])
    numbers = identified(config).decoding
    assert numbers.sampled("draft") == Sampling(0.6, 0.95, 20, presence_penalty=1)
    assert numbers.sampled("target") == Sampling(presence_penalty=1)
    assert identified(config).digest != config.digest
    assert identified(identified(config)) == identified(config)

    alone = load(cluster.path, [*models[:1], "decoding.sampling=model", "decoding.strategy=draft"])
    assert identified(alone).decoding.sampling_of("target").model_dump() == {}
    warm = load(cluster.path, [*models, "decoding.sampling=model", "decoding.candidates=2"])
    assert with_model_sampling(warm).decoding.candidates == 2
    cold = load(cluster.path, [f"models.draft.model={target}", *SEVERAL])
    with pytest.raises(ConfigError, match="by the models' own values, several samples or cand"):
        with_model_sampling(cold, ("draft",))


def test_what_a_request_or_a_served_model_sets_holds_for_both_models(
    cluster: Cluster, tmp_path: Path
) -> None:
    checkpoint(tmp_path / "tokenizer", QWEN3)
    config = load(cluster.path, ["decoding.sampling=model"])
    served = catalog(config)
    both = [served["rsd"].config.decoding.sampled(it) for it in ("draft", "target")]
    assert both == [Sampling(0.6, 0.95, 20)] * 2
    assert served["bon-8"].config.decoding.sampled("draft") == Sampling(0.7, 0.95, 20)
    asked = requested(served["rsd"], {"temperature": 0.2}).decoding
    assert [asked.sampled(it) for it in ("draft", "target")] == [Sampling(0.2, 0.95, 20)] * 2

    own = load(cluster.path, ["gateway.models={own: {strategy: rsd, sampling: model}}"])
    assert catalog(own)["own"].config.decoding.sampled("target") == Sampling(0.6, 0.95, 20)
    assert config_issues(connection_config(served.values())) == []
