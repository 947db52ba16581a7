"""Fake servers whose models write awkward steps, and the two programs to compare on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path

import yaml
from byte_tokenizer import save_byte_tokenizer
from fastapi import FastAPI
from harness.lock_step import Entry, LockStep, Model
from transformers import AutoTokenizer

from rsd.config import load
from rsd.protocols import Sampling
from rsd.records import RunRecord, TrajectoryRecord, read_run
from rsd.runs import execute
from rsd.testing.fake_engine import Behavior
from rsd.testing.fake_vllm import create_app
from rsd.testing.server import live_in_thread
from rsd.types import ROLES, Role

STEPS = (
    "x = 1",
    "",
    "\nso y = 22",
    "two\nlines",
    "naïve: √2 ≈ 1.41",
    "a longer step, " * 4,
    "far too long " * 60,
)
ENDS = ("\n\n", "\n\n", "\n\n\n", "\n\n\n\nlost", "\n \n\n", "", "\n")


@dataclass(frozen=True)
class World:
    """Three servers at `urls`, with tokenizers in `tokenizers`, and a benchmark of `questions`."""

    root: Path
    urls: dict[Role, str]
    tokenizers: dict[Role, Path]
    questions: tuple[str, ...]
    apps: dict[Role, FastAPI]

    def run(self, name: str = "world", **decoding: object) -> RunRecord:
        """The problems decoded by rsd under the profile `paper`."""
        models = {
            role: {
                "model": str(self.tokenizers[role]),
                "served_name": role,
                "endpoint": f"{self.urls[role]}/v1",
            }
            for role in ROLES
        }
        values = {
            "name": name,
            "models": models,
            "decoding": {"profile": "paper"} | decoding,
            "tasks": {"names": ["demo"], "data_dir": str(self.root / "data")},
            "run": {"output_dir": str(self.root / "runs"), "concurrency": 7},
        }
        path = self.root / "config.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        outcome = asyncio.run(execute(load(path)))
        assert outcome.failed == 0
        return read_run(outcome.directory)

    def reference(self) -> LockStep:
        models = {
            role: Model(self.urls[role], role, AutoTokenizer.from_pretrained(self.tokenizers[role]))
            for role in ROLES
        }
        return LockStep(models["draft"], models["target"], models["prm"])


@contextmanager
def drawn_world(root: Path, number: int, problems: int) -> Iterator[World]:
    """A world whose models draw each step, and rewards, from a hash of all that they read."""

    def draw(*parts: object) -> int:
        text = "\x1f".join(map(str, (number, *parts)))
        return int.from_bytes(blake2s(text.encode()).digest()[:4], "big")

    def writer(role: Role) -> Behavior:
        def write(prompt: str, sampling: Sampling) -> str:
            drawn = draw(role, prompt)
            # Long steps and ends are rare, so that solutions of many lengths come about.
            step = STEPS[drawn % 60 % 6] if drawn % 60 else STEPS[6]
            end = ENDS[drawn // 60 % 40 % 5] if drawn // 60 % 40 > 3 else ENDS[5 + drawn % 2]
            return step + end

        return Behavior(write=write)

    behaviors: dict[Role, Behavior] = {
        "draft": writer("draft"),
        "target": writer("target"),
        "prm": Behavior(reward=lambda text: draw("reward", text) % 1000 / 1000),
    }
    tokenizers: dict[Role, Path] = {role: root / f"tokenizer-{role}" for role in ROLES}
    for role, path in tokenizers.items():
        path.mkdir(parents=True)
        save_byte_tokenizer(path)
        if role == "target":
            without_blank_line(path)
    questions = tuple(f"Problem {n}: what is {n} + {n}?" for n in range(problems))
    benchmark = root / "data" / "demo" / "test.jsonl"
    benchmark.parent.mkdir(parents=True)
    with benchmark.open("w", encoding="utf-8") as file:
        for n, question in enumerate(questions):
            file.write(json.dumps({"id": str(n), "question": question, "answer": "#### 22"}) + "\n")
    apps = {
        role: create_app(
            behavior, served_name=role, root=str(tokenizers[role]), tokenizer=tokenizers[role]
        )
        for role, behavior in behaviors.items()
    }
    with ExitStack() as stack:
        urls = {role: stack.enter_context(live_in_thread(app)) for role, app in apps.items()}
        yield World(root, urls, tokenizers, questions, apps)


def without_blank_line(tokenizer: Path) -> None:
    """Take the token of the blank line away: a tokenizer that counts it as two."""
    path = tokenizer / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["added_tokens"] = [t for t in values["added_tokens"] if t["content"] != "\n\n"]
    path.write_text(json.dumps(values), encoding="utf-8")


def entries(trajectory: TrajectoryRecord) -> list[Entry]:
    """The steps of a trajectory as the reference logs them."""
    return [
        Entry(
            number=step.index + 1,
            writer=step.source,
            text=step.text,
            reward=step.reward,
            kept=step.accepted,
            tokens=-1 if step.paper_tokens is None else step.paper_tokens,
            generated=step.tokens,
        )
        for step in trajectory.steps
    ]
