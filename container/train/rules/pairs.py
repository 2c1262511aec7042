"""True labels and predictions as saved, for the rules that compare them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from container.train.rules.steps import Array, Step


def as_classes(values: Array) -> Array:
    """Class indices (N,): as they are, or the largest of each row of (N, K)."""
    return np.asarray(values.argmax(axis=1) if values.ndim == 2 and values.shape[1] > 1 else values.reshape(-1)).astype(
        np.int64
    )


def first(step: Step, regexes: Iterable[str], collections: Iterable[str] = ()) -> Array | None:
    """The first tensor that matches and was saved whole, as class indices."""
    for name in step.matching(regexes, collections):
        values = step.value(name)
        if values is not None and values.size:
            return as_classes(values)
    return None


def confusion_matrix(labels: Array, predictions: Array, classes: int | None = None) -> Array:
    """Counts, a row a label and a column a prediction."""
    count = max(classes or 0, int(labels.max(initial=-1)) + 1, int(predictions.max(initial=-1)) + 1)
    return np.bincount(labels * count + predictions, minlength=count * count).reshape(count, count)
