"""AllZero: all values of a tensor, or a given part of them, are zero.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". AWS demands
collections or expressions; without, we look at weights, gradients and the head's outputs (not at biases,
which begin at zero).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from container.train.rules.findings import Finding
from container.train.rules.logits import head_outputs, never_negative, sentence
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step

DEFAULT_COLLECTIONS = ("weights", "gradients", "head_outputs")


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; ``threshold`` is in percent."""

    collection_names: tuple[str, ...] = ()
    tensor_regex: tuple[str, ...] = ()
    threshold: float = 100.0


def zero_percent(values: Array) -> float:
    """How many of ``values`` are exactly 0, in percent."""
    return 100.0 * float(np.mean(values == 0)) if values.size else 0.0


def is_met(percent: float, threshold: float) -> bool:
    """At the threshold, or above."""
    return percent >= threshold


class AllZero(TensorRule[Parameters]):
    """Where only reductions were saved, a tensor is all zero when its largest absolute value, or its norm, is."""

    Parameters = Parameters

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        chosen = p.collection_names if p.collection_names or p.tensor_regex else DEFAULT_COLLECTIONS
        names = step.matching(p.tensor_regex, chosen)
        if chosen is DEFAULT_COLLECTIONS and step.trains:
            names += [name for name in head_outputs(step) if name not in names]
        for name in names:
            percent = self._percent(step, name)
            if percent is not None and is_met(percent, p.threshold) and not name.startswith("sample/"):
                yield finding(
                    step, name, self._advice(step, name, percent), zero_percent=percent, threshold=p.threshold
                )

    @staticmethod
    def _percent(step: Step, name: str) -> float | None:
        values = step.value(name)
        if values is not None:
            return zero_percent(values)
        for kind, absolute in (("max", True), ("mean", True), ("l2", False)):
            size = step.reduction(name, kind, absolute=absolute)
            if size is not None:
                return 100.0 if size == 0 else 0.0
        return None

    @staticmethod
    def _advice(step: Step, name: str, percent: float) -> str:
        values = step.value(name)
        if name in head_outputs(step) and values is not None and never_negative(values):
            return sentence(values)
        return (
            f"{name} is {percent:.0f} % zeros: nothing flows through it; look at the initialization and at the layer "
            "before it."
        )
