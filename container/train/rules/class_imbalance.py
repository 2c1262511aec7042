"""ClassImbalance: classes differ much in size, and the rare ones are mispredicted.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". Our hook saves
the sizes of the training split's classes and their weights in the loss once, which needs no sampling; from
labels alone we wait for 20 a class beside ``samples``. Mispredictions count for classes of less than half the
mean size in a model that is otherwise right more often than not: an untrained one mispredicts all alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from container.train.rules import pairs
from container.train.rules.facts import COUNTS, WEIGHTS
from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step

# Fewer labels than that of each class, and chance alone makes them differ tenfold.
LABELS_A_CLASS = 20


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; the expressions match smdebug's names of a loss's inputs too."""

    threshold_imbalance: float = 10.0
    threshold_misprediction: float = 0.7
    samples: int = 500
    argmax: bool = False
    labels_regex: tuple[str, ...] = (".*labels", r"[Ll]oss_input_1$")
    predictions_regex: tuple[str, ...] = (".*predictions", r"[Ll]oss_input_0$")


def imbalance(sizes: Array) -> float:
    """The largest class over the smallest; infinite where one is empty."""
    return float(sizes.max() / sizes.min()) if sizes.min() > 0 else float("inf")


def is_imbalanced(sizes: Array, threshold: float) -> bool:
    """Strictly above the threshold."""
    return sizes.size > 1 and imbalance(sizes) > threshold


def neglected(confusion: Array, threshold: float) -> list[int]:
    """The rare classes mispredicted in more than ``threshold`` of their images by a model that is mostly right."""
    sizes = confusion.sum(axis=1)
    present = sizes > 0
    if not present.any() or np.trace(confusion) < 0.5 * confusion.sum():
        return []
    wrong = 1.0 - np.diag(confusion) / np.maximum(sizes, 1)
    rare = present & (sizes < 0.5 * sizes[present].mean())
    return [int(index) for index in np.flatnonzero(rare & (wrong > threshold))]


class ClassImbalance(TensorRule[Parameters]):
    """Sizes once, or labels as they come; and what is predicted for them."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._labels: list[Array] = []
        self._confusion: list[tuple[Array, Array]] = []
        self._known = False

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        if COUNTS in step.names and not self._known:
            self._known = True
            yield from self._sizes(step, COUNTS, self._weighted(step))
        labels = pairs.first(step, p.labels_regex)
        if labels is None:
            return
        predictions = pairs.first(step, p.predictions_regex)
        if not self._known and step.trains:
            self._labels.append(labels)
            seen = np.unique(np.concatenate(self._labels), return_counts=True)[1]
            if seen.sum() >= max(p.samples, LABELS_A_CLASS * len(seen)):
                yield from self._sizes(step, "labels", seen)
                self._labels = []
        if predictions is not None and len(predictions) == len(labels):
            self._confusion.append((labels, predictions))
            if sum(len(one) for one, _ in self._confusion) >= p.samples:
                yield from self._mispredictions(step)
                self._confusion = []

    @staticmethod
    def _weighted(step: Step) -> Array:
        counts, weights = step.value(COUNTS), step.value(WEIGHTS)
        assert counts is not None
        return counts if weights is None else counts * weights

    def _sizes(self, step: Step, name: str, sizes: Array) -> Iterator[Finding]:
        if is_imbalanced(sizes, self.parameters.threshold_imbalance):
            ratio = imbalance(sizes)
            yield finding(
                step,
                name,
                f"The largest class counts {ratio:.3g} times as much as the smallest: the rare ones will be neglected; "
                "set class-weights=balanced, or collect more images of them.",
                ratio=ratio,
                smallest=float(sizes.min()),
                largest=float(sizes.max()),
                threshold_imbalance=self.parameters.threshold_imbalance,
            )

    def _mispredictions(self, step: Step) -> Iterator[Finding]:
        labels, predictions = (np.concatenate(side) for side in zip(*self._confusion, strict=True))
        for index in neglected(pairs.confusion_matrix(labels, predictions), self.parameters.threshold_misprediction):
            yield finding(
                step,
                "predictions",
                f"Class {index} is rare and mostly mispredicted while the others are not: set class-weights=balanced, "
                "or collect more images of it.",
                class_index=index,
                images=int((labels == index).sum()),
                threshold_misprediction=self.parameters.threshold_misprediction,
            )
