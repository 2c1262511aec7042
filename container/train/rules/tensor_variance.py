"""TensorVariance: a tensor's variance is above or below a bound.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". Both bounds
are unset by default, so the rule says nothing until it is given one; the guide's example is 10 and 0.00001.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Step
from container.train.rules.weight_tensors import SAMPLE


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them, but that AWS demands collections or expressions, and here weights are meant without."""

    collection_names: tuple[str, ...] = ()
    tensor_regex: tuple[str, ...] = ()
    max_threshold: float | None = None
    min_threshold: float | None = None


def outside(variance: float, low: float | None, high: float | None) -> bool:
    """Strictly beyond one of the bounds."""
    return (high is not None and variance > high) or (low is not None and variance < low)


class TensorVariance(TensorRule[Parameters]):
    """The variance over all elements of a tensor, as saved or computed; of a weight's sample where there is no more."""

    Parameters = Parameters

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        chosen = p.collection_names if p.collection_names or p.tensor_regex else ("weights",)
        for name in step.matching(p.tensor_regex, chosen):
            variance = step.reduction(name, "variance")
            if variance is None:
                variance = step.reduction(SAMPLE + name, "variance")
            if variance is not None and outside(variance, p.min_threshold, p.max_threshold):
                yield finding(
                    step,
                    name,
                    f"The variance of {name} is {variance:.3g}: units saturate or tensors explode where it is far from "
                    "1; look at the initialization, at lr and at the normalization before this layer.",
                    variance=variance,
                    min_threshold="none" if p.min_threshold is None else p.min_threshold,
                    max_threshold="none" if p.max_threshold is None else p.max_threshold,
                )
