from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsd.config import Config, differing_keys, load, ready
from rsd.errors import ConfigError
from rsd.types import ROLES

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "configs" / "demo.yaml"


class Mistyped:
    roles = "draft"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("decoding.treshold=0.8", "decoding.treshold: unknown key; did you mean threshold?"),
        ("models.draft.endpont=http://x/v1", "models.draft.endpont: unknown key; did you mean"),
        ("decoding.top_p=0", "decoding.top_p: Input should be greater than 0"),
        ("decoding.threshold=.nan", "nan is not a threshold"),
        ("decoding.strategy=rds", "unknown strategy 'rds'; use rsd, draft"),
        ("decoding.strategy=:Nothing", "unknown strategy ':Nothing'; use rsd, draft"),
        (
            "decoding.samples=2",
            "several samples or candidates need a temperature above 0",
        ),
        (
            "decoding.candidates=2",
            "several samples or candidates need a temperature above 0",
        ),
        ("models.prm.served_name=''", "models.prm: served_name is missing; add it"),
        (
            "decoding.prompt=qwen",
            "decoding.prompt: unknown template 'qwen'; use chat, llama3-math-cot, plain",
        ),
        ("models.prm.endpoint=127.0.0.1:80", "is not a URL"),
        ("models.prm.endpoint=http://127.0.0.1:80", "must end in /v1"),
        ("tasks.names=[demo, gsm8k, demo]", "tasks.names: demo is listed twice"),
        ("models.prm.endpoint=http://127.0.0.1:80101/v1", "its port is no number from 1"),
        ("models.prm.endpoint=http://127.0.0.1:801O/v1", "its port is no number from 1"),
        ("run.concurrency=atuo", "run.concurrency: Input should be 'auto' or a valid integer, "),
        ("decoding.lookahead=-1", "decoding.lookahead: Input should be 'auto' or greater than or"),
        ("tasks.names=[]", "tasks.names: Input should be a list of at least 1"),
        ("tasks.names=demo", "tasks.names: Input should be a list, such as [a, b]"),
        ("name=2026", "name: Input should be a text; put it in quotes"),
        ("models.draft.served_name=on", "models.draft.served_name: Input should be a text; put"),
        ("decoding=null", "decoding: expected keys below it; remove it for defaults"),
        ("models.target.serve.speculative.token=4", "speculative.token: unknown key; did you mean"),
        ("name=../elsewhere", "name: use letters, digits and . _ - (at most 64"),
        (
            "decoding.max_repeats=1",
            "max_repeats: Input should be greater than or equal to 2",
        ),
        ("models.draft.api_key=abc", "models.draft.api_key: holds a key; write ${NAME}"),
        ("models.draft.api_key=${NO_SUCH_NAME}", "set NO_SUCH_NAME in the environment"),
        ("decoding", "-o decoding: not of the form key=value"),
        ("name.x=1", "-o name.x=1: name is a value, not a section"),
        ("name=[", "is not a YAML value"),
    ],
)
def test_a_wrong_key_or_value_is_one_line_that_names_it(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(DEMO, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("rsd:Nothing", "cannot import 'rsd:Nothing': "),
        ("no_such_module:Nothing", "cannot import 'no_such_module:Nothing': "),
        ("test_config:Mistyped", "test_config:Mistyped: roles is 'draft'; use a tuple of draft,"),
    ],
)
def test_a_class_is_imported_when_it_is_about_to_run(strategy: str, message: str) -> None:
    config = load(DEMO, [f"decoding.strategy={strategy}"])
    assert len(config.digest) == 10
    with pytest.raises(ConfigError) as caught:
        ready(config, DEMO)
    assert str(caught.value).startswith(f"{DEMO}: decoding.strategy: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "expected a mapping"),
        ("a: [", "not valid YAML"),
        ("name: x\n", "models: missing"),
        ("run: {limit: 1}\nname: x\nrun:\n", "the key run occurs twice, again in line 3"),
        ("a: {<<: {b: 1}, b: 2, b: 3}", "the key b occurs twice"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="broken.yaml") as caught:
        load(path)
    assert message in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.yaml: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("override", ["decoding.threshold=.inf", "models.prm={kind: judge}"])
def test_a_dumped_config_is_the_same_run(tmp_path: Path, override: str) -> None:
    config = load(DEMO, [override])
    copy = tmp_path / "copy.yaml"
    copy.write_text(config.dump())
    assert load(copy) == config


def test_secrets_come_from_the_environment_and_are_not_dumped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DRAFT_KEY", "open-sesame")
    config = load(DEMO, ["models.draft.api_key=${DRAFT_KEY}"])
    assert config.models.draft.api_key is not None
    assert config.models.draft.api_key.get_secret_value() == "open-sesame"
    assert "sesame" not in config.dump() + repr(config)


@pytest.mark.parametrize(
    "override",
    [
        "models.draft.endpoint=http://10.0.0.1:1/v1",
        "models.target.serve.device=cuda",
        "run.concurrency=1",
        "run.output_dir=elsewhere",
        "run.limit=5",
        "tasks.limit=5",
    ],
)
def test_where_and_how_fast_does_not_change_the_digest(override: str) -> None:
    assert load(DEMO, [override]).digest == load(DEMO).digest


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("models.prm.model=other", "models.prm.model"),
        ("decoding.threshold=0.8", "decoding.threshold"),
        ("decoding.seed=1", "decoding.seed"),
        ("tasks.questions={demo: abc}", "tasks.questions.demo"),
        ("decoding.strategy=draft", "decoding.strategy"),
    ],
)
def test_what_decides_answers_changes_the_digest_and_is_named(override: str, key: str) -> None:
    base, other = load(DEMO), load(DEMO, [override])
    assert base.digest != other.digest
    assert key in differing_keys(base.determinants(), other.determinants())


def test_a_baseline_does_not_depend_on_what_it_does_not_read() -> None:
    left = load(DEMO, ["decoding.strategy=target", "decoding.threshold=0.1"])
    right = load(DEMO, ["decoding.strategy=target", "models.draft.model=other"])
    assert left.digest == right.digest


def test_a_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    keys = ("run.output_dir", "run.cache", "tasks.data_dir")
    config = load(DEMO, [f"{key}=~/there" for key in keys])
    places = (config.run.output_dir, config.step_cache, config.tasks.data_dir)
    assert set(map(str, places)) == {"/home/ann/there"}
    with pytest.raises(ConfigError, match=r"data_dir: ~no_such_user/x: no such user"):
        load(DEMO, ["tasks.data_dir=~no_such_user/x"])


@given(st.none() | st.integers(1, 99), st.none() | st.integers(1, 99))
def test_the_smaller_limit_counts(task_limit: int | None, run_limit: int | None) -> None:
    overrides = [f"tasks.limit={task_limit or 'null'}", f"run.limit={run_limit or 'null'}"]
    config: Config = load(DEMO, overrides)
    limits = [n for n in (task_limit, run_limit) if n]
    assert config.limit == (min(limits) if limits else None)


def test_an_override_of_one_server_leaves_the_others_alone() -> None:
    config = load(DEMO, ["models.draft.serve.threads=2"])  # the three share a YAML anchor
    assert [config.models.role(role).serve.threads for role in ROLES] == [2, 1, 1]


def test_a_config_says_only_what_differs_from_its_base(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "middle.yaml").write_text("base: lowest.yaml\nname: middle\n")
    (tmp_path / "below" / "lowest.yaml").write_text(f"base: {DEMO}\nrun: {{concurrency: 7}}\n")
    path = tmp_path / "top.yaml"
    path.write_text(
        "base: below/middle.yaml\n"
        "models: {draft: {model: other, serve: {threads: 3}}}\n"
        "decoding: {max_tokens: null}\n"
        "tasks: {names: [gsm8k, math500]}\n"
    )
    config, demo = load(path), load(DEMO)
    assert (config.name, config.run.concurrency) == ("middle", 7)
    assert (config.models.draft.model, config.models.draft.serve.threads) == ("other", 3)
    assert config.models.draft.endpoint == demo.models.draft.endpoint
    assert config.models.target == demo.models.target
    assert config.decoding.max_steps == demo.decoding.max_steps
    assert (config.decoding.max_tokens, demo.decoding.max_tokens) == (4096, 512)
    assert config.tasks.names == ("gsm8k", "math500")
    copy = tmp_path / "elsewhere" / "config.yaml"
    copy.parent.mkdir()
    copy.write_text(config.dump())
    assert load(copy) == config


def test_null_takes_nothing_away_where_the_base_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "top.yaml"
    path.write_text(f"base: {DEMO}\ngateway: {{models: null, port: 9000}}\n")
    config = load(path)
    assert config.gateway == load(DEMO, ["gateway.port=9000"]).gateway


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["base: 5"], "0.yaml: base: write the path of another configuration"),
        (["base:"], "0.yaml: base: write the path of another configuration"),
        (["base: 0.yaml"], "0.yaml: base: 0.yaml leads back to itself"),
        (["base: 1.yaml", "base: 0.yaml"], "1.yaml: base: 0.yaml leads back to itself"),
        (["base: 1.yaml", "- a"], "1.yaml: expected a mapping"),
        (["base: no.yaml"], "no.yaml: cannot be read: No such file"),
        (["base: 1.yaml\npoints: []"], "0.yaml: this is a sweep; use rsd sweep"),
        ([f"base: {i + 1}.yaml" for i in range(9)], "7.yaml: base: more than 8 files deep"),
        (["base: 1.yaml", f"base: {DEMO}\nnmae: x"], "0.yaml (on 1.yaml, "),
        (["base: 1.yaml", f"base: {DEMO}\nnmae: x"], "nmae: unknown key; did you mean name?"),
    ],
)
def test_a_wrong_base_is_one_line_that_names_it(
    tmp_path: Path, files: list[str], message: str
) -> None:
    for number, text in enumerate(files):
        (tmp_path / f"{number}.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "0.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/0.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
