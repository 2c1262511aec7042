"""Overfit: the validation loss lies above the training loss by more than a given part of it, and rises.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". A step of its
``patience`` is an evaluation here, compared with the mean training loss since the one before; so many are allowed to
lie above the threshold, and one more is not. To the letter it fires on most good trainings, whose training loss goes
on falling when their validation loss has come to rest; we count an evaluation when its loss has risen from the lowest,
and the training loss has not risen with it: then the training diverges, and more images would not help.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from container.train.rules.findings import Finding
from container.train.rules.losses import COLLECTION, Phases, loss_at
from container.train.rules.rule import TensorRule
from container.train.rules.steps import Step

# A ratio of two losses that are both nearly 0 says nothing: 0.01 after 0.001 is no fault.
SMALLEST_GAP = 0.05

# What a validation loss at rest goes up and down by.
RISE = 0.05


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; without an expression, the losses collection is looked at."""

    tensor_regex: tuple[str, ...] = ()
    start_step: int = 0
    patience: int = 1
    ratio_threshold: float = 0.1


def ratio(training: float, validation: float) -> float:
    """(validation − training) / training, from mean losses."""
    return (validation - training) / training if training > 0 else 0.0


def is_met(training: float, validation: float, ratio_threshold: float) -> bool:
    """Strictly above the threshold, and by an amount that matters."""
    return ratio(training, validation) > ratio_threshold and validation - training > SMALLEST_GAP


def has_risen(before: float, now: float) -> bool:
    """Whether a loss is more than what one at rest goes up by."""
    return now > (1 + RISE) * before


class Overfit(TensorRule[Parameters]):
    """Training and evaluation losses, round by round."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._phases = Phases()
        self._in_a_row = 0
        # The lowest validation loss, and the training loss of its time.
        self._lowest, self._then = math.inf, math.inf
        self._last: tuple[int, str] = (0, "loss")

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        if step.mode == "TRAIN" and step.mode_step < p.start_step:
            return
        loss = loss_at(step, p.tensor_regex, () if p.tensor_regex else (COLLECTION,))
        if loss is None:
            return
        yield from self._judge(self._phases.add(step, loss))
        names = step.matching(p.tensor_regex, () if p.tensor_regex else (COLLECTION,))
        self._last = (step.mode_step, names[0])

    def conclude(self) -> Iterator[Finding]:
        yield from self._judge(self._phases.close())

    def _judge(self, means: tuple[float, float] | None) -> Iterator[Finding]:
        if means is None:
            return
        p, (training, validation) = self.parameters, means
        if validation < self._lowest:
            self._lowest, self._then = validation, training
        risen = has_risen(self._lowest, validation) and not has_risen(self._then, training)
        met = is_met(training, validation, p.ratio_threshold) and risen
        self._in_a_row = self._in_a_row + 1 if met else 0
        if self._in_a_row > p.patience:
            step, name = self._last
            yield Finding(
                step,
                "EVAL",
                name,
                {
                    "training_loss": training,
                    "validation_loss": validation,
                    "lowest_validation_loss": self._lowest,
                    "ratio": ratio(training, validation),
                    "ratio_threshold": p.ratio_threshold,
                },
                f"The validation loss has risen from {self._lowest:.3g} to {validation:.3g} while the training loss is "
                f"{training:.3g}: the network learns its images by heart; more images, augment, dropout, weight-decay "
                "or fewer epochs help.",
            )
