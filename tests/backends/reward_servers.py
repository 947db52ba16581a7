"""A fake server for each kind of reward model, and a configuration that points at it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byte_tokenizer import save_byte_tokenizer
from fastapi import FastAPI
from reward_tokenizers import saved

from rsd.backends import Server, open_scorer
from rsd.config import Config, parse
from rsd.testing.fake_engine import Behavior
from rsd.testing.fake_vllm import create_app
from rsd.testing.server import live_in_thread
from rsd.types import Score

QUESTION = "Ann has 10 pens and gets 20. How many has she?"
STEPS = ("She has 10 + 20 = 30 pens.", "So the answer is \\boxed{30}.")


def reward_of(text: str) -> float:
    """A reward in (0, 1) that depends on the whole text."""
    return 0.1 + 0.8 * (sum(text.encode()) % 97) / 97


def logprob(prompt: str, token: str) -> float:
    """+ has the share `reward_of(prompt)` of what + and - have together; a grade is 9 or 5."""
    right = reward_of(prompt)
    shares = {"+": right, "-": 1 - right, "9": right, "5": 1 - right}
    return math.log(0.01 * shares[token]) if token in shares else -30.0


BEHAVIORS: dict[str, Callable[[], Behavior]] = {
    "skywork": lambda: Behavior(reward=reward_of),
    "qwen25-math": lambda: Behavior(reward=reward_of, classes=2),
    "math-shepherd": lambda: Behavior(write=lambda *_: "+", logprob=logprob),
    "rlhflow": lambda: Behavior(write=lambda *_: "+", logprob=logprob),
    "judge": lambda: Behavior(write=lambda *_: "9", logprob=logprob),
}


@dataclass(frozen=True)
class Fake:
    """The fake of the server that rewards steps, and its configuration."""

    app: FastAPI
    config: Config

    def server(self) -> Server:
        role: Any = "target" if self.config.models.prm.kind == "judge" else "prm"
        return Server(role, self.config.models.role(role))

    async def score(self, *steps: str) -> Score:
        server = self.server()
        try:
            return await open_scorer(self.config, server).score(QUESTION, steps)
        finally:
            await server.aclose()

    def last_body(self, path: str) -> dict[str, Any]:
        bodies = [r.body for r in self.app.state.requests if r.path == path]
        return dict(bodies[-1])


def configured(kind: str, tokenizer: Path, url: str, **prm: Any) -> Config:
    """A configuration in which every role is at `url`."""
    model = {"model": str(tokenizer), "served_name": "served", "endpoint": f"{url}/v1"}
    reward_model = {"kind": kind, **(model if kind != "judge" else {}), **prm}
    models = {"draft": model, "target": model, "prm": reward_model}
    values = {"name": "kinds", "models": models, "tasks": {"names": ["demo"]}}
    return parse(values, "kinds.yaml")


@contextmanager
def fake_of(kind: str, tmp_path: Path, behavior: Behavior | None = None) -> Iterator[Fake]:
    """A server of a reward model of `kind`, with that kind's tokenizer."""
    if kind in ("skywork", "judge"):
        tokenizer = tmp_path / kind
        tokenizer.mkdir()
        save_byte_tokenizer(tokenizer)
    else:
        tokenizer = saved(kind, tmp_path)
    app = create_app(
        behavior or BEHAVIORS[kind](),
        served_name="served",
        root=str(tokenizer),
        tokenizer=tokenizer,
    )
    with live_in_thread(app) as url:
        yield Fake(app, configured(kind, tokenizer, url))
