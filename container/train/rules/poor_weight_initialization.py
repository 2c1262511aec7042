"""PoorWeightInitialization: the weights begin so that the network cannot learn well.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". The guide names
three things to check (variance of activation inputs across layers, spread of the gradients, convergence of the
loss in the first steps) but not how they join. Pretrained networks in good health fail each of the first two
alone, so we want one of these and a loss that does not converge. Weights of a layer that are all alike are
enough by themselves: their units can never become different.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from container.train.rules import logits
from container.train.rules.findings import Finding
from container.train.rules.losses import loss_at
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step
from container.train.rules.weight_tensors import weights

# What our hook saves in place of a ReLU's inputs.
VARIANCE = "relu_input_variance$"

# A loss converges unless it stands still to half a percent, grows by half, or begins at five times chance.
STILL, GROWN, FAR_OFF = 0.005, 1.5, 5.0

# Between the 5th and the 95th percentile of a normal distribution around 0 lie so many standard deviations, and
# so many times the mean of its absolute values.
DEVIATIONS, ABSOLUTES = 3.29, 4.12


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; its default expression is ``.*relu_input``."""

    activation_inputs_regex: tuple[str, ...] = (r".*(?:relu|ReLU)\d*_input_\d+$",)
    threshold: float = 10.0
    distribution_range: float = 0.001
    patience: int = 5
    steps: int = 10


def variance_ratio(variances: list[float]) -> float:
    """The largest over the smallest variance of the layers; 1 for fewer than two layers."""
    if len(variances) < 2:
        return 1.0
    return max(variances) / min(variances) if min(variances) > 0 else math.inf


def spread(gradient: Array) -> float:
    """From the 5th to the 95th percentile."""
    low, high = np.percentile(gradient, [5, 95])
    return float(high - low)


def converges(losses: list[float], *, patience: int, classes: int | None = None) -> bool:
    """Whether the first losses of a training look like those of one that learns."""
    if not all(math.isfinite(loss) for loss in losses):
        return False
    first, last = losses[0], losses[-patience:]
    if classes and first > FAR_OFF * math.log(classes):
        return False
    still = max(losses) - min(losses) < STILL * abs(float(np.mean(losses)))
    return not still and float(np.mean(last)) <= GROWN * first


class PoorWeightInitialization(TensorRule[Parameters]):
    """The first ``steps`` saved steps of training; those of a job that was resumed are not its first."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._losses: list[float] = []
        self._ratio, self._range = 1.0, math.inf
        self._classes: int | None = None
        self._last: Step | None = None
        self._from_start = True

    def examine(self, step: Step) -> Iterator[Finding]:
        if not step.trains or len(self._losses) >= self.parameters.steps:
            return
        loss = loss_at(step)
        if loss is None:
            return
        if self._last is None:
            yield from self._alike(step)
            self._from_start = step.mode_step < self.parameters.steps
        if not self._from_start:
            return
        self._last = step
        self._losses.append(loss)
        outputs = [step.value(name) for name in logits.head_outputs(step)]
        if outputs and outputs[0] is not None and outputs[0].ndim == 2:
            self._classes = int(outputs[0].shape[1])
        self._ratio = max(self._ratio, variance_ratio(self._variances(step)))
        self._range = min([self._range, *self._spreads(step)])
        if len(self._losses) == self.parameters.steps:
            yield from self._judge(step)

    def conclude(self) -> Iterator[Finding]:
        p = self.parameters
        if self._last is not None and p.patience <= len(self._losses) < p.steps:
            yield from self._judge(self._last)

    @staticmethod
    def _alike(step: Step) -> Iterator[Finding]:
        for name, values in weights(step):
            # Scales of normalizations all begin at 1, and may.
            if values.ndim >= 2 and values.size > 1 and float(np.ptp(values)) == 0:
                yield finding(
                    step,
                    name,
                    f"All weights of {name} begin at {float(values.flat[0]):g}: its units are alike and stay so; begin "
                    "with random ones (Xavier or He).",
                    value=float(values.flat[0]),
                )

    def _variances(self, step: Step) -> list[float]:
        saved = [step.value(name) for name in step.matching([VARIANCE])]
        found = [float(value.reshape(-1)[0]) for value in saved if value is not None and value.size]
        names = step.matching(self.parameters.activation_inputs_regex)
        return found + [v for name in names if (v := step.reduction(name, "variance")) is not None]

    @staticmethod
    def _spreads(step: Step) -> Iterator[float]:
        for name in step.matching(collections=["gradients"]):
            if name.endswith("bias"):
                continue
            gradient = step.value(name)
            if gradient is not None and gradient.size > 1:
                yield spread(gradient)
            elif gradient is None and (deviation := step.reduction(name, "std")) is not None:
                yield DEVIATIONS * deviation
            elif gradient is None and (mean := step.reduction(name, "mean", absolute=True)) is not None:
                yield ABSOLUTES * mean

    def _judge(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        if converges(self._losses, patience=p.patience, classes=self._classes):
            return
        if self._ratio > p.threshold or self._range < p.distribution_range:
            yield finding(
                step,
                "losses",
                f"The loss does not converge in the first {len(self._losses)} steps ({self._losses[0]:.4g} to "
                f"{self._losses[-1]:.4g}) and the layers are badly scaled: begin with Xavier or He initialization, or "
                "with pretrained weights.",
                variance_ratio=self._ratio,
                threshold=p.threshold,
                gradient_range=self._range,
                distribution_range=p.distribution_range,
                first_loss=self._losses[0],
                last_loss=self._losses[-1],
            )
