"""Confusion: the confusion matrix is not diagonal enough.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". The guide divides
a diagonal element by the sum of the diagonal, which no matrix of balanced classes can bring to 0.9; we divide
by its row (the class's recall). Off the diagonal, as there, by the column. It is judged at the end, on the
last evaluation, or on the last labels of training where there is none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from container.train.rules import pairs
from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule
from container.train.rules.steps import Array, Step

# Pairs of training that are kept where nothing is evaluated.
KEPT_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; smdebug's names of a loss's inputs count as labels and predictions too."""

    category_no: int | None = None
    labels: str = "labels"
    predictions: str = "predictions"
    labels_collection: str = "labels"
    predictions_collection: str = "predictions"
    min_diag: float = 0.9
    max_off_diag: float = 0.1


def violations(confusion: Array, min_diag: float, max_off_diag: float) -> list[tuple[int, int, float]]:
    """(label, prediction, share) of each element on the wrong side of its threshold; classes without images pass."""
    rows, columns = confusion.sum(axis=1), confusion.sum(axis=0)
    found = []
    for label in range(len(confusion)):
        for prediction in range(len(confusion)):
            count = float(confusion[label, prediction])
            if label == prediction:
                share = count / rows[label] if rows[label] else 1.0
                wrong = share < min_diag
            else:
                share = count / columns[prediction] if columns[prediction] else 0.0
                wrong = share > max_off_diag
            if wrong:
                found.append((label, prediction, share))
    return found


class Confusion(TensorRule[Parameters]):
    """Pairs of labels and predictions, judged when there are no more."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._training: deque[tuple[Array, Array]] = deque(maxlen=KEPT_STEPS)
        self._evaluation: list[tuple[Array, Array]] = []
        self._mode, self._step = "", 0

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        labels = pairs.first(step, [f"^{p.labels}", r"[Ll]oss_input_1$"], [p.labels_collection])
        predictions = pairs.first(step, [f"^{p.predictions}", r"[Ll]oss_input_0$"], [p.predictions_collection])
        if labels is not None and predictions is not None and len(labels) == len(predictions):
            if step.mode == "EVAL" and self._mode != "EVAL":
                self._evaluation = []
            (self._evaluation if step.mode == "EVAL" else self._training).append((labels, predictions))
            self._step = step.mode_step
        self._mode = step.mode
        yield from ()

    def conclude(self) -> Iterator[Finding]:
        kept = self._evaluation or list(self._training)
        if not kept:
            return
        p = self.parameters
        labels, predictions = (np.concatenate(side) for side in zip(*kept, strict=True))
        found = violations(pairs.confusion_matrix(labels, predictions, p.category_no), p.min_diag, p.max_off_diag)
        for label, prediction, share in sorted(found, key=lambda one: -abs(one[2] - (one[0] == one[1])))[:10]:
            advice = f"Only {100 * share:.0f} % of class {label} are recognized"
            if label != prediction:
                advice = f"{100 * share:.0f} % of what is taken for class {prediction} are of class {label}"
            yield Finding(
                self._step,
                "EVAL" if self._evaluation else "TRAIN",
                p.predictions,
                {"label": label, "prediction": prediction, "share": share, "images": len(labels)},
                f"{advice}; look at its images and labels, or collect more of them.",
            )
