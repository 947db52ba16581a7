"""Three fake vLLM servers on real ports, and a configuration that points at them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from byte_tokenizer import save_byte_tokenizer
from fastapi import FastAPI

from rsd.config import Config, load
from rsd.runs import identified
from rsd.testing.fake_engine import Behavior, Faults
from rsd.testing.fake_vllm import create_app
from rsd.testing.reasoner import ToyReasoner, load_solutions
from rsd.testing.server import live_in_thread
from rsd.types import Role

PROBLEMS = 12


@dataclass(frozen=True)
class Cluster:
    """The fakes by role, and the file of a configuration for them."""

    apps: dict[Role, FastAPI]
    path: Path

    def config(self, *overrides: str) -> Config:
        return identified(load(self.path, overrides))

    def faults(self, role: Role) -> Faults:
        faults = self.apps[role].state.faults
        assert isinstance(faults, Faults)
        return faults


@contextmanager
def fake_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Draft, target and reward model as fakes; the draft is wrong in half of the problems."""
    write_benchmark(tmp_path / "data" / "demo" / "test.jsonl")
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    save_byte_tokenizer(tokenizer)
    reasoner = ToyReasoner(load_solutions(["demo"], tmp_path / "data"))
    behaviors: dict[Role, Behavior] = {
        "draft": Behavior(write=reasoner.draft, logprob=reasoner.logprob),
        "target": Behavior(write=reasoner.target, logprob=reasoner.logprob),
        "prm": Behavior(reward=reasoner.reward),
    }
    apps = {
        role: create_app(behavior, served_name=role, root=str(tokenizer))
        for role, behavior in behaviors.items()
    }
    with ExitStack() as stack:
        urls = {role: stack.enter_context(live_in_thread(app)) for role, app in apps.items()}
        path = tmp_path / "cluster.yaml"
        path.write_text(yaml.safe_dump(_values(tmp_path, tokenizer, urls)))
        yield Cluster(apps, path)


def write_benchmark(path: Path) -> None:
    """A benchmark of PROBLEMS sums in GSM8K's layout."""
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        for n in range(PROBLEMS):
            total, left = 10 + n + 20, 10 + n + 20 - 5
            answer = f"She has {10 + n} + 20 = {total} pens.\n{total} - 5 = {left} are left.\n"
            row = {
                "id": f"p{n}",
                "question": f"Ann has {10 + n} pens, gets 20 and loses 5. How many are left?",
                "answer": f"{answer}#### {left}",
                "level": 2,
            }
            file.write(json.dumps(row) + "\n")


def _values(root: Path, tokenizer: Path, urls: dict[Role, str]) -> dict[str, object]:
    models = {
        role: {
            "model": str(tokenizer),
            "served_name": role,
            "endpoint": f"{url}/v1",
            "parameters": parameters,
            "timeout_s": 20,
        }
        for (role, url), parameters in zip(urls.items(), (1000, 9000, 2000), strict=True)
    }
    return {
        "name": "fake",
        "models": models,
        "decoding": {"max_tokens": 600},
        "tasks": {"names": ["demo"], "data_dir": str(root / "data")},
        "run": {"output_dir": str(root / "runs"), "concurrency": 4},
    }
