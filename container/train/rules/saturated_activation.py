"""SaturatedActivation: more than a given part of a layer's tanh or sigmoid units stand at their ends.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". The bounds are
where the derivative falls under 1e-7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from container.train.rules.dead_relu import dead_percent, is_met
from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; collections are looked at beside the expressions."""

    collection_names: tuple[str, ...] = ()
    tensor_regex: tuple[str, ...] = (".*tanh_input", ".*sigmoid_input")
    threshold_tanh_min: float = -9.4999
    threshold_tanh_max: float = 9.4999
    threshold_sigmoid_min: float = -23.0
    threshold_sigmoid_max: float = 16.99999
    threshold_inactivity: float = 1.0
    threshold_layer: float = 50.0


def activity(inputs: Array, low: float, high: float) -> Array:
    """How often each unit's (axis 1) input lies within the bounds, in percent."""
    inside = (inputs > low) & (inputs < high)
    axes = tuple(axis for axis in range(inputs.ndim) if axis != 1)
    return np.asarray(100.0 * np.mean(inside, axis=axes)) if inputs.ndim > 1 else 100.0 * inside


class SaturatedActivation(TensorRule[Parameters]):
    """A unit counts as saturated when it is active less than ``threshold_inactivity`` percent of the time."""

    Parameters = Parameters

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        for name in step.matching(p.tensor_regex, p.collection_names):
            inputs = step.value(name)
            if inputs is None or not inputs.size:
                continue
            tanh = "tanh" in name.lower()
            low, high = (
                (p.threshold_tanh_min, p.threshold_tanh_max)
                if tanh
                else (p.threshold_sigmoid_min, p.threshold_sigmoid_max)
            )
            saturated = dead_percent(activity(inputs, low, high), p.threshold_inactivity)
            if is_met(saturated, p.threshold_layer):
                yield finding(
                    step,
                    name,
                    f"{saturated:.0f} % of the units behind {name} are saturated and pass no gradient; normalize what "
                    "goes in, begin with smaller weights, or lower lr.",
                    saturated_percent=saturated,
                    threshold_layer=p.threshold_layer,
                    largest_input=float(np.abs(inputs).max()),
                )
