"""Builds the manifest: models, versions and sessions of a run."""

from __future__ import annotations

import platform
import socket
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rsd.backends import Backends, Server, ServerInfo, parameter_count, speculative_parameter_count
from rsd.clock import unix_time
from rsd.config import Config
from rsd.records import Manifest, ServedModel, ServedTokens, Session, Speculation
from rsd.types import ROLES, Role

_ROOT = Path(__file__).resolve().parents[3]
_PACKAGES = (
    "rsd",
    "aiohttp",
    "transformers",
    "tokenizers",
    "math-verify",
    "latex2sympy2-extended",
    "sympy",
    "pydantic",
    "scipy",
)


def begin(
    config: Config, backends: Backends, previous: Manifest | None, asked: Mapping[str, int]
) -> Manifest:
    """The manifest at the start of a session: those of `previous`, and a new one. `asked` is the
    number of solutions of each task."""
    models = {role: _served(it, backends.infos[role]) for role, it in backends.servers.items()}
    return Manifest(
        name=config.name,
        digest=config.digest,
        models=models,
        parameters={role: parameter_count(config, role) for role in ROLES},
        speculative_parameters=speculative_parameter_count(config),
        prefix="tokens" if backends.use_token_ids else "text",
        seed=config.decoding.seed,
        asked=dict(asked),
        versions={"python": platform.python_version(), **versions()},
        git_commit=git_commit(),
        host=f"{socket.gethostname()} ({platform.platform()})",
        sessions=(
            *(previous.sessions if previous else ()),
            Session(started_at=unix_time(), concurrency=config.run.concurrency),
        ),
    )


def end(
    manifest: Manifest,
    speculation: Speculation | None = None,
    served: Mapping[Role, ServedTokens] | None = None,
    peak_concurrency: int | None = None,
) -> Manifest:
    """`manifest` with its last session ended now, and its counts."""
    *before, last = manifest.sessions
    ended = last.model_copy(
        update={
            "ended_at": unix_time(),
            "speculation": speculation,
            "served": dict(served or {}),
            "peak_concurrency": peak_concurrency,
        }
    )
    return manifest.model_copy(update={"sessions": (*before, ended)})


def differences(before: Manifest, now: Manifest) -> list[str]:
    """Changes since the earlier sessions that may affect answers or grades, such as
    `vLLM of draft: 0.32.0, was 0.31.0`."""
    pairs: list[tuple[str, object, object]] = [("prefix", before.prefix, now.prefix)]
    for role in before.models.keys() & now.models.keys():
        old, new = before.models[role], now.models[role]
        pairs += [
            (f"model of {role}", old.model, new.model),
            (f"context of {role}", old.context, new.context),
            (f"vLLM of {role}", old.vllm_version, new.vllm_version),
        ]
    pairs += [
        (package, before.versions[package], now.versions[package])
        for package in before.versions.keys() & now.versions.keys() - {"python"}
    ]
    return sorted(f"{what}: {new}, was {old}" for what, old, new in pairs if old != new)


def _served(server: Server, info: ServerInfo) -> ServedModel:
    return ServedModel(
        endpoint=server.config.endpoint,
        replicas=server.config.replicas,
        served_name=server.config.served_name,
        model=info.model,
        context=info.context,
        vllm_version=info.version,
    )


def versions() -> dict[str, str]:
    """Versions of `rsd` and of the packages that affect its results."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_commit(root: Path = _ROOT) -> str | None:
    """The commit of the git checkout whose root is `root`, with `+` if it has local changes; None
    for an installed package, even inside another project's checkout."""
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
