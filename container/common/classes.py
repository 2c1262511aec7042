"""The classes of a data set: the names of the folders that hold their images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from container.common import channels
from container.common.errors import DataError, HyperparameterError


def names(root: Path) -> tuple[str, ...]:
    """The classes of the train split at ``root``, in index order. Raises DataError for fewer than two."""
    found = tuple(p.name for p in channels.folders(root))
    if len(found) >= 2:
        return found
    if not found:
        loose = sum(channels.is_image(p) for p in root.iterdir())
        what = f"{loose} images but no class folders" if loose else "no class folders"
        raise DataError(
            f"The train channel {root} holds {what}; put the images of each class into a folder of its own."
        )
    raise DataError(
        f"The train channel {root} holds one class only ('{found[0]}'); a classifier needs at least two folders."
    )


def numbers(classes: Sequence[str]) -> tuple[float, ...]:
    """What ordered classes stand for, in index order. Raises HyperparameterError for a name that is no number."""
    values = []
    for name in classes:
        try:
            value = float(name)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise HyperparameterError(
                f"ordered-classes=true and the class '{name}' is no number; name the class folders 1, 2, 3 … or leave "
                "ordered-classes out."
            )
        values.append(value)
    return tuple(values)
