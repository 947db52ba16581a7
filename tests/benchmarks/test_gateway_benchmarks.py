"""The benchmarks of the gateway, on fake servers and a gateway in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import gateway_hangups
import gateway_throughput
import pytest
from harness.common import Demo

from rsd.types import ROLES

_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{{ '<|im_start|>assistant\n' }}"
)


@pytest.fixture(autouse=True)
def chat_template(demo: Demo) -> None:
    path = Path(demo.config().models.target.model) / "tokenizer_config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "chat_template": _TEMPLATE}), encoding="utf-8")


def written(results: Path, name: str) -> dict[str, object]:
    return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))["result"]


def test_the_gateway_writes_what_the_run_does_and_its_usage_is_exact(
    results: Path, as_demo_servers: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_throughput, "demo_servers", as_demo_servers)
    monkeypatch.setattr(gateway_throughput, "forget_prefixes", lambda config: None)
    smallest = ["--clients", "2", "--problems", "3", "--repetitions", "2", "--counted", "3"]
    monkeypatch.setattr("sys.argv", ["gateway_throughput.py", *smallest])
    gateway_throughput.main()
    result = written(results, "gateway_throughput")
    (size,) = result["sizes"]
    assert size["failed"] == size["other_texts"] == {"rsd run": 0, "gateway": 0}
    assert size["asked"] == {"rsd run": 6, "gateway": 6}
    assert [each["model"] for each in result["usage"]] == ["target", "draft", "rsd-plain", "rsd"]
    for each in result["usage"][:3]:
        assert each["told"] == each["counted"]
        assert each["usage.prompt_tokens"] == each["tokens of the prompts"]
        assert each["usage.completion_tokens"] == each["tokens of the kept steps"]
    alone = result["usage"][0]
    assert alone["usage.completion_tokens"] == alone["counted"]["target"]["generated"] > 0


def test_nothing_is_left_of_clients_that_hang_up(
    results: Path, as_demo_servers: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_hangups, "demo_servers", as_demo_servers)
    monkeypatch.setattr("sys.argv", ["gateway_hangups.py", "--requests", "40", "--clients", "8"])
    assert gateway_hangups.main() == 0
    result = written(results, "gateway_hangups")
    assert result["nothing_left"] is True
    assert sum(result["ended"].values()) == 40
    assert result["ended"]["hung up"] > 0
    assert [look["requests"] for look in result["looks"]] == [0, 8, 16, 24, 32, 40]
    assert all(look["servers"] == {role: [0, 0] for role in ROLES} for look in result["looks"])
