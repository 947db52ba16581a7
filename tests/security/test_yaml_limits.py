"""A YAML file costs little before it is refused: bytes, depth, nodes and merges are bounded while
it is composed. No test here looks at the clock: without the bounds these files take minutes or
gigabytes."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rsd.config import load, load_sweep
from rsd.config.yaml_reader import MOST_BYTES, read_yaml
from rsd.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"


def merges(levels: int, each: int) -> str:
    """Mappings of `each` merges of the one before: `each` ** `levels` pairs."""
    lines = ["m0: &m0 {k: 1}"]
    for level in range(1, levels + 1):
        below = ", ".join([f"*m{level - 1}"] * each)
        lines.append(f"m{level}: &m{level} {{<<: [{below}]}}")
    return "\n".join(lines) + "\n"


def aliases(levels: int, each: int) -> str:
    lines = ["m0: &m0 [1]"]
    for level in range(1, levels + 1):
        below = ", ".join([f"*m{level - 1}"] * each)
        lines.append(f"m{level}: &m{level} [{below}]")
    return "\n".join(lines) + "\n"


HOSTILE = {
    **{f"merges {n} x {k}": merges(n, k) for n, k in ((30, 2), (9, 9), (4, 100), (2, 2000))},
    **{f"aliases {n} x {k}": aliases(n, k) for n, k in ((40, 2), (9, 9), (2, 2000))},
    "plain keys": "".join(f"k{n}: 1\n" for n in range(400_000)),
    "fewer keys": "".join(f"k{n}: 1\n" for n in range(15_000)),
    "one long text": "a: " + "x " * MOST_BYTES,
    "a list in flow": f"a: [{'1,' * 100_000}]",
    "empty nodes": f"a: [{'&b ,' * 30_000}]",
    "tagged nodes": f"a: [{'!b ,' * 60_000}]",
    "dashes": "- " * 100_000,
    "questions": "? " * 100_000,
    "brackets": "[" * 200_000,
    "braces": "{a: " * 60_000,
    "indents": "".join(" " * n + "a:\n" for n in range(600)),
    "base 60": f"a: 1{':1' * 100_000}",
    "base 2": f"a: 0b{'1' * 200_000}",
    "decimals": f"a: {'9' * 200_000}",
    "float": f"a: 1.{'9' * 200_000}",
}


@pytest.mark.parametrize("loaded", [load, load_sweep])
@pytest.mark.parametrize("kind", HOSTILE)
def test_an_expensive_file_is_refused_in_a_line(
    kind: str, loaded: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(HOSTILE[kind])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError, match=r"config\.yaml: ") as refused:
        loaded(path)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300 + len(str(path))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * 1024, f"{grown} KiB more"


@pytest.mark.parametrize("kind", HOSTILE)
def test_so_is_an_expensive_base_or_override(kind: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(HOSTILE[kind])
    (tmp_path / "config.yaml").write_text("base: base.yaml\n")
    with pytest.raises(ConfigError, match=r"config\.yaml: base: .*base\.yaml: "):
        load(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match="^-o "):
        load(CONFIGS / "demo.yaml", [f"name={HOSTILE[kind]}"])


def test_a_device_without_an_end_is_read_as_far_as_the_limit() -> None:
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        load("/dev/zero")


def test_thousands_of_wrong_keys_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        (CONFIGS / "demo.yaml").read_text() + "".join(f"x{n}: 1\n" for n in range(4000))
    )
    with pytest.raises(ConfigError, match=r"x0: unknown key.* \(and 3999 more\)$"):
        load(path)


def test_a_grid_of_too_many_combinations_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    grid = {f"decoding.options.k{n}": list(range(100)) for n in range(5)}
    base = str(CONFIGS / "demo.yaml")
    path.write_text(yaml.safe_dump({"name": "s", "base": base, "grid": grid}))
    with pytest.raises(ConfigError, match="10000000000 combinations"):
        load_sweep(path)


def test_ordinary_merges_and_aliases_are_read() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\nd: {<<: [{x: 5}, *a]}\n"
    a = {"x": 1, "y": 2}
    assert read_yaml(text) == {"a": a, "b": {"x": 1, "y": 3}, "c": [a, a], "d": {"x": 5, "y": 2}}
    many = "a: &a {x: 1, y: 2}\nb:\n" + "- {<<: *a, y: 3}\n" * 1000
    assert len(read_yaml(many)["b"]) == 1000


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.name)
def test_our_own_files_are_far_below_the_limits(path: Path) -> None:
    assert path.stat().st_size * 20 < MOST_BYTES
    read_yaml(path.read_text(encoding="utf-8"))
