"""Classes that are numbers, such as how many items lie in a bin: how far off the predictions are, in that unit.

values_of(("1", "2", "10"))             # [1., 2., 10.]
errors("test", result, values)          # {"test:mae": 0.31, "test:rmse": 0.62}
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from container.common.errors import HyperparameterError
from container.train.evaluate import Evaluation

Values = NDArray[np.float64]


def values_of(classes: tuple[str, ...]) -> Values:
    """The classes' names as numbers, in index order. Raises HyperparameterError for a name that is none."""
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
    return np.array(values)


def errors(split: str, result: Evaluation, values: Values | None) -> dict[str, float]:
    """Mean absolute and root mean squared error of the predicted classes; nothing for classes without an order."""
    if values is None:
        return {}
    distances = np.abs(values[:, None] - values[None, :])
    images = max(int(result.confusion.sum()), 1)
    return {
        f"{split}:mae": float((result.confusion * distances).sum() / images),
        f"{split}:rmse": float(np.sqrt((result.confusion * distances**2).sum() / images)),
    }
