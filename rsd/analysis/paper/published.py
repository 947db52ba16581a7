"""The paper's figures, and which of them a run is compared with.

They are in `data/paper/accuracy.csv` of the repository: one line per figure, with its table.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import rsd
from rsd.config import Config
from rsd.errors import ConfigError

FILE = Path("data", "paper", "accuracy.csv")

AVERAGED = ("math500", "gsm8k", "gaokao2023en", "olympiadbench", "gpqa", "mmlu_stem")
"""The sets whose unweighted mean is the average of the paper's tables."""


class Row(NamedTuple):
    """What identifies a published row: sizes such as `7B`, with `*` for a merged model; empty where
    the method has no such model or setting."""

    family: str
    method: str
    target: str = ""
    draft: str = ""
    prm: str = ""
    setting: str = ""

    @property
    def models(self) -> str:
        """The models as the configuration's `paper_row` names them."""
        return f"{self.family}/{self.target}/{self.draft}/{self.prm}"

    @property
    def way(self) -> str:
        """The method with its setting, such as `rsd 0.7`."""
        return f"{self.method} {self.setting}".rstrip()


class Figure(NamedTuple):
    """A published accuracy, in [0, 1], over `problems` problems, and its source."""

    accuracy: float
    problems: int
    arxiv: str
    table: str


Published = dict[Row, dict[str, Figure]]
"""Each row's figures by task, in the order of the file."""


def find_published() -> Path:
    """`data/paper/accuracy.csv` of the checkout that rsd runs from, or of the current directory.

    Raises `ConfigError` if there is none, as when rsd is installed without its repository.
    """
    for root in (Path(rsd.__file__).parents[1], Path()):
        if (root / FILE).is_file():
            return root / FILE
    raise ConfigError(
        f"{FILE}: not found; it is in rsd's repository: name it with --published FILE"
    )


def read_published(path: Path | None = None) -> Published:
    """Read the figures of `path`, or of the repository's file. Raises `ConfigError`."""
    path = find_published() if path is None else path
    published: Published = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, line in enumerate(csv.DictReader(file), start=2):
                try:
                    row = Row(*(line[name] for name in Row._fields))
                    accuracy, problems = float(line["accuracy"]) / 100, int(line["problems"])
                    figure = Figure(accuracy, problems, line["arxiv"], line["table"])
                    published.setdefault(row, {})[line["task"]] = figure
                except (KeyError, TypeError, ValueError) as error:
                    raise ConfigError(
                        f"{path}:{number}: not a published figure ({error!r}); "
                        f"the columns are those of {FILE}"
                    ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", error)
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    return published


def row_of(config: Config) -> Row | None:
    """The row with the method and models of `config`, whether it is published or not.

    `paper_row` names the models, as `family/target/draft/prm`; method and setting follow from
    `decoding`, so that a sweep over thresholds and a target-only baseline each find their own.
    None without a `paper_row`, and for strategies that the paper does not report.
    """
    family, *sizes = (config.paper_row or "").split("/")
    if len(sizes) != 3:
        return None
    target, draft, prm = sizes
    it = config.decoding
    n, writer = it.candidates, draft if it.writer == "draft" else target
    rows = {
        "target": Row(family, "single", target),
        "draft": Row(family, "single", draft=draft),
        "majority": Row(family, "majority", draft=writer, setting=f"maj@{n}"),
        "best_of_n": Row(family, "best_of_n", "", writer, prm, f"N={n}"),
        "process_best_of_n": Row(family, "process_best_of_n", "", writer, prm, f"N={n}"),
    }
    if config.models.target.serve.speculative is not None:
        rows["target"] = Row(family, "sd", target, draft)
    if it.weighting == "step" and n == 1:
        rows["rsd"] = Row(family, "rsd", target, draft, prm, f"{it.threshold:g}")
    return rows.get(it.strategy)


def why_none(config: Config, published: Published) -> str:
    """Why `config` has no published row, and which rows there are, in one sentence."""
    known = list(dict.fromkeys(row.models for row in published if row.method == "rsd"))
    if config.paper_row is None:
        return f"its configuration names no paper_row; published are {', '.join(known)}"
    row = row_of(config)
    if config.paper_row not in known:
        return f"no paper_row {config.paper_row!r}; published are {', '.join(known)}"
    same = [other.way for other in published if other.models == config.paper_row]
    asked = config.decoding.strategy if row is None else row.way
    return f"no figure for {asked} with {config.paper_row}; published there: {', '.join(same)}"
