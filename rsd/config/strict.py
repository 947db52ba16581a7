"""What all sections of a configuration have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: no such user; write the full path") from None


UserPath = Annotated[Path, AfterValidator(_expanded)]
"""A path whose leading ~ stands for a home directory."""


class Strict(BaseModel):
    """A section: unknown keys are errors, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")
