"""Adding a strategy to the package takes its file and one line of the registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from cluster import Cluster

from rsd.analysis.tables.labels import in_words
from rsd.config import STRATEGIES, DecodingConfig, config_issues, load_class
from rsd.decoding import BuiltIn, Rules
from rsd.errors import ConfigError
from rsd.protocols import Generator
from rsd.records import read_run
from rsd.runs import execute
from rsd.types import Query, Step


@dataclass(frozen=True)
class LastByTarget(BuiltIn):
    """The draft writes the first `candidates` steps, the target the rest."""

    roles = ("draft", "target")
    keys = ("candidates", "options")
    options = ("bar",)
    label = "target after {candidates}"

    draft: Generator
    target: Generator
    candidates: int
    rules: Rules

    @staticmethod
    def check(decoding: DecodingConfig) -> None:
        if decoding.candidates > 9:
            raise ValueError("last needs candidates at most 9")

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        response = self.rules.start(query)
        while not response.ended:
            if response.index < self.candidates:
                yield response.keep("draft", await response.write(self.draft, "draft"))
            else:
                yield response.keep("target", await response.write(self.target, "target"))


def test_a_strategy_is_its_class_and_one_line_of_the_registry(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STRATEGIES, "last", "test_register_strategy:LastByTarget")
    last = "decoding.strategy=last"
    config = cluster.config(last)
    assert config.roles == ("draft", "target")
    assert in_words(config, config.roles) == "target after 1"

    assert asyncio.run(execute(config)).failed == 0
    for trajectory in read_run(config.directory).trajectories.values():
        sources = [step.source for step in trajectory.steps]
        assert sources == ["draft", "target"][: len(sources)] + ["target"] * (len(sources) - 2)

    assert cluster.config(last, "decoding.threshold=0.1").digest == config.digest
    assert cluster.config(last, "decoding.options.bar=1").digest != config.digest
    (issue,) = config_issues(cluster.config(last, "decoding.options.baz=1"))
    assert str(issue) == "decoding.options.baz: last does not read it; did you mean bar?"
    with pytest.raises(ConfigError, match="decoding: last needs candidates at most 9"):
        cluster.config(last, "decoding.candidates=10", "decoding.temperature=1")


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_registered_class_states_its_facts(name: str) -> None:
    own = vars(load_class(name))
    assert {"roles", "label"} <= own.keys()
