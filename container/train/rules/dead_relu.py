"""DeadRelu: more than a given part of a layer's ReLUs are hardly ever active.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". Beyond AWS:
units are judged over three saved steps, for a small batch says little of a unit; outputs named
``relu1_output`` match too; and the head's outputs are looked at, where a ReLU must not stand.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from container.train.rules import logits
from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step

# Saved steps a unit is judged over.
WINDOW = 3

# What our hook saves for a layer in place of its outputs: each unit's activity in percent.
ACTIVITY = r"relu_activity$"


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them, both thresholds in percent; its default expression is ``.*relu_output``."""

    tensor_regex: tuple[str, ...] = (r".*(?:relu|ReLU)\d*_output",)
    threshold_inactivity: float = 1.0
    threshold_layer: float = 50.0


def activity(outputs: Array) -> Array:
    """How often each unit (axis 1) is above zero, in percent, over all other axes."""
    axes = tuple(axis for axis in range(outputs.ndim) if axis != 1)
    return np.asarray(100.0 * np.mean(outputs > 0, axis=axes)) if outputs.ndim > 1 else 100.0 * (outputs > 0)


def dead_percent(active_percent: Array, threshold_inactivity: float) -> float:
    """How many units are active less often than ``threshold_inactivity``, in percent."""
    return 100.0 * float(np.mean(active_percent < threshold_inactivity)) if active_percent.size else 0.0


def is_met(dead: float, threshold_layer: float) -> bool:
    """Strictly more than the threshold."""
    return dead > threshold_layer


class DeadRelu(TensorRule[Parameters]):
    """Every ReLU's outputs, or their activity, and the head's outputs."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._seen: dict[str, deque[Array]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._silent: dict[str, int] = defaultdict(int)

    def examine(self, step: Step) -> Iterator[Finding]:
        if not step.trains:
            return
        yield from self._layers(step)
        yield from self._head(step)

    def _layers(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        saved = dict.fromkeys(step.matching([ACTIVITY]), 1.0)
        for name in [*saved, *step.matching(p.tensor_regex)]:
            values = step.value(name)
            if values is None or not values.size:
                continue
            window = self._seen[name]
            window.append(values if name in saved else activity(values))
            if len(window) < WINDOW or len({one.shape for one in window}) > 1:
                continue
            dead = dead_percent(np.mean(window, axis=0), p.threshold_inactivity)
            if is_met(dead, p.threshold_layer):
                yield finding(
                    step,
                    name,
                    f"{dead:.0f} % of the units behind {name} are dead: they are zero for nearly every image and get "
                    "no gradient; lower lr, or begin with He initialization or a leaky ReLU.",
                    dead_percent=dead,
                    threshold_layer=p.threshold_layer,
                    threshold_inactivity=p.threshold_inactivity,
                )

    def _head(self, step: Step) -> Iterator[Finding]:
        for name in logits.head_outputs(step):
            values = step.value(name)
            if values is None:
                continue
            self._silent[name] = self._silent[name] + 1 if not np.any(values) else 0
            if logits.rectified(values) or self._silent[name] >= WINDOW:
                yield finding(
                    step,
                    name,
                    logits.sentence(values),
                    zero_percent=100.0 * float(np.mean(values == 0)),
                    smallest=float(values.min()),
                )
