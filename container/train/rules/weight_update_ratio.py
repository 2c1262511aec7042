"""WeightUpdateRatio: what training adds to a weight is too large or too small beside the weight itself.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". AWS does not say
which norm; ours is the Euclidean one of the difference over that of the weight before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step
from container.train.rules.weight_tensors import weights


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; without ``num_steps``, a step is compared with the one saved before it."""

    num_steps: int | None = None
    large_threshold: float = 10.0
    small_threshold: float = 0.00000001
    epsilon: float = 0.000000001


def ratio(before: Array, after: Array, epsilon: float) -> float:
    """‖after − before‖ / (‖before‖ + epsilon)."""
    size = float(np.linalg.norm(before.astype(np.float64)))
    return float(np.linalg.norm(after.astype(np.float64) - before.astype(np.float64))) / (size + epsilon)


def is_met(value: float, small: float, large: float) -> bool:
    """Strictly outside of the two thresholds."""
    return value > large or value < small


class WeightUpdateRatio(TensorRule[Parameters]):
    """Weights that train, at steps of training. One that begins at exactly zero has no ratio yet."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._kept: dict[str, list[tuple[int, Array]]] = defaultdict(list)

    def examine(self, step: Step) -> Iterator[Finding]:
        if not step.trains:
            return
        p = self.parameters
        for name, after in weights(step):
            kept = self._kept[name]
            distance = p.num_steps or 1
            old = [index for index, (number, _) in enumerate(kept) if step.mode_step - number >= distance]
            if old:
                number, before = kept[old[-1]]
                # Nothing before this one is needed again.
                del kept[: old[-1]]
                if np.any(before) and before.shape == after.shape:
                    value = ratio(before, after, p.epsilon)
                    if is_met(value, p.small_threshold, p.large_threshold):
                        yield finding(step, name, _advice(name, value, p), ratio=value, compared_with_step=number)
            kept.append((step.mode_step, after))


def _advice(name: str, value: float, p: Parameters) -> str:
    if value > p.large_threshold:
        return f"{name} changes by {value:.3g} times its own size: lower lr, or add warmup-epochs."
    return f"{name} hardly changes ({value:.3g} of its size): raise lr, or look whether the optimizer holds it."
