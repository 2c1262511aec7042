"""LossNotDecreasing: the loss does not fall at an adequate rate, or rises.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". AWS compares the
loss of one step with that of another at least ``num_steps`` before; batches differ so much that this fires on
healthy trainings, so we compare means over windows of ``num_steps`` steps (and three losses at least), and
count as standing still what has gained less than ``diff_percent`` for PATIENCE windows while the loss is
still within 10 % of where it began, or costs what guessing does: one that has fallen farther may stay down.
Where it began is not known of a job that was resumed, whose first tensors are from amid its training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from container.train.rules import logits
from container.train.rules.findings import Finding
from container.train.rules.losses import COLLECTION, loss_at
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Step

PATIENCE = 6
SMALLEST_WINDOW = 3
LEARNT = 0.9

# Batches differ; a loss that does not, at what guessing costs, is computed from outputs that say nothing.
STILL_PERCENT = 0.1


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them, but ``mode``: without one, steps of training are looked at."""

    collection_names: tuple[str, ...] = ()
    tensor_regex: tuple[str, ...] = ()
    use_losses_collection: bool = True
    num_steps: int = 10
    diff_percent: float = 0.1
    increase_threshold_percent: float = 5.0
    mode: str | None = None


def decrease_percent(before: float, now: float) -> float:
    """How much the loss has fallen, in percent of what it was."""
    return 100.0 * (before - now) / abs(before) if before else 0.0


def falls(before: float, now: float, diff_percent: float) -> bool:
    """Whether it has fallen by ``diff_percent`` at least."""
    return decrease_percent(before, now) >= diff_percent


def rises(before: float, now: float, increase_threshold_percent: float) -> bool:
    """Whether it has risen by more than is allowed."""
    return -decrease_percent(before, now) > increase_threshold_percent


def stands_still(losses: list[float]) -> bool:
    """Whether losses of different batches are all but the same."""
    return max(losses) - min(losses) <= STILL_PERCENT / 100.0 * abs(float(np.mean(losses)))


class LossNotDecreasing(TensorRule[Parameters]):
    """Windows of losses, each compared with the best before it and with the first."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._window: list[float] = []
        self._began = 0
        self._from_start = False
        self._means: list[float] = []
        self._best = math.inf
        self._vain = self._high = 0

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        if not (step.trains if p.mode is None else step.mode == p.mode.upper()):
            return
        collections = (*p.collection_names, *((COLLECTION,) if p.use_losses_collection else ()))
        loss = loss_at(step, p.tensor_regex, collections)
        if loss is None or not math.isfinite(loss):
            return
        if not self._window:
            self._began = step.mode_step
            self._from_start |= step.mode_step < p.num_steps
        self._window.append(loss)
        if len(self._window) < SMALLEST_WINDOW or step.mode_step - self._began < p.num_steps - 1:
            return
        losses, self._window = self._window, []
        yield from self._judge(step, losses)

    def _judge(self, step: Step, losses: list[float]) -> Iterator[Finding]:
        p = self.parameters
        mean = float(np.mean(losses))
        self._means.append(mean)
        first = self._means[0]
        names = step.matching(collections=[COLLECTION]) or ["loss"]
        outputs = [step.value(name) for name in logits.head_outputs(step)]
        classes = logits.guessing(mean, outputs[0] if outputs else None)
        if classes and stands_still(losses):
            advice = (
                f"The loss stands at ln({classes}) = {math.log(classes):.4g}, what guessing costs: nothing is learnt"
            )
            if outputs[0] is not None and logits.never_negative(outputs[0]):
                advice = f"{advice}. {logits.sentence(outputs[0])}"
            else:
                advice += "; look at the outputs of the last layer and at whether gradients reach the weights."
            yield finding(step, names[0], advice, loss=mean, classes=classes, windows=len(self._means))
            return
        improved = self._best == math.inf or falls(self._best, mean, p.diff_percent)
        self._vain = 0 if improved else self._vain + 1
        self._best = min(self._best, mean)
        self._high = self._high + 1 if self._from_start and rises(first, mean, p.increase_threshold_percent) else 0
        if self._high >= 2:
            yield finding(
                step,
                names[0],
                f"The loss has risen from {first:.4g} to {mean:.4g}: lower lr, or add warmup-epochs.",
                loss=mean,
                first=first,
                increase_threshold_percent=p.increase_threshold_percent,
            )
        elif self._vain >= PATIENCE and (classes or (self._from_start and self._best > LEARNT * first)):
            yield finding(
                step,
                names[0],
                f"The loss has not fallen for {self._vain} times {p.num_steps} steps and is still {mean:.4g}, where it "
                f"began at {first:.4g}; try another lr, and look whether labels belong to their images.",
                loss=mean,
                first=first,
                best=self._best,
                diff_percent=p.diff_percent,
            )
