"""VanishingGradient: the mean of a gradient's absolute values has dropped below a threshold.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from container.train.rules.findings import Finding
from container.train.rules.losses import loss_at
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Step

# A loss this near 0 has little gradient left because there is little left to learn: convergence, not a fault.
LEARNT = 0.1


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them."""

    threshold: float = 0.0000001


def vanishes(mean_of_absolutes: float, threshold: float) -> bool:
    """Strictly below the threshold, as documented."""
    return mean_of_absolutes < threshold


class VanishingGradient(TensorRule[Parameters]):
    """Gradients of weights. Biases are left out: in front of a normalization theirs is 0 by construction."""

    Parameters = Parameters

    def examine(self, step: Step) -> Iterator[Finding]:
        loss = loss_at(step)
        if loss is not None and loss < LEARNT:
            return
        for name in step.matching(collections=["gradients"], regexes=["^gradient"]):
            mean = None if name.endswith("bias") else step.reduction(name, "mean", absolute=True)
            if mean is not None and vanishes(mean, self.parameters.threshold):
                yield finding(
                    step,
                    name,
                    f"The gradient of {name.removeprefix('gradient/')} is {mean:.3g} on average: nothing is learnt "
                    "there; look for a ReLU or a saturated activation behind it, a normalization left out, or weights "
                    "that begin too small.",
                    mean_of_absolutes=mean,
                    threshold=self.parameters.threshold,
                )
