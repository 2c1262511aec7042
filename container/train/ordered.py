"""Classes that are numbers, such as how many items lie in a bin: how far off the predictions are, in that unit.

values_of(("1", "2", "10"))             # [1., 2., 10.]
errors("test", result, values)          # {"test:mae": 0.31, "test:rmse": 0.62}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from container.common.classes import numbers
from container.train.evaluate import Evaluation

Values = NDArray[np.float64]


def values_of(classes: tuple[str, ...]) -> Values:
    """The classes' names as numbers, in index order. Raises HyperparameterError for a name that is none."""
    return np.array(numbers(classes))


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
