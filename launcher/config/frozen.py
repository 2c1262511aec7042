"""The base of the configuration's parts."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

# SageMaker's own pattern and length, which the pattern alone does not keep: it counts no hyphens.
_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
LONGEST_NAME = 63


class Frozen(BaseModel):
    """Never changes once made, and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def checked_name(value: str) -> str:
    """A resource's name as SageMaker takes it; raises ValueError for any other."""
    if len(value) > LONGEST_NAME or not re.fullmatch(_NAME, value):
        raise ValueError(
            f"'{value}' is no name; a name is up to {LONGEST_NAME} letters, digits and single hyphens, the first a "
            "letter or digit"
        )
    return value
