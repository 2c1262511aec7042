"""The base of the configuration's parts."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

# SageMaker's own pattern.
_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"


class Frozen(BaseModel):
    """Never changes once made, and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def checked_name(value: str) -> str:
    """A resource's name as SageMaker takes it; raises ValueError for any other."""
    if not re.fullmatch(_NAME, value):
        raise ValueError("a name is up to 63 letters, digits and single hyphens, the first a letter or digit")
    return value
