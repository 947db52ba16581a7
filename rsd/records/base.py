"""What all records have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Unknown fields are ignored, so that an older rsd can read a newer run."""

    model_config = ConfigDict(extra="ignore", frozen=True)
