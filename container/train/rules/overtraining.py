"""Overtraining: neither the training nor the validation loss gets better any more.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". AWS does not say
whether one of the two suffices; we want both, for single batches rarely set a new record. A step of
``patience_validation`` is an evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from container.train.rules.findings import Finding
from container.train.rules.losses import Phases, loss_at
from container.train.rules.rule import TensorRule
from container.train.rules.steps import Step


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them."""

    patience_train: int = 5
    patience_validation: int = 10
    delta: float = 0.01


class Patience:
    """Counts losses since the best one; better is by more than ``delta``."""

    def __init__(self, patience: int, delta: float) -> None:
        self._patience, self._delta = patience, delta
        self.best, self.since = math.inf, 0

    def add(self, loss: float) -> None:
        """One more loss."""
        if loss < self.best - self._delta:
            self.best, self.since = loss, 0
        else:
            self.since += 1

    @property
    def over(self) -> bool:
        """Whether ``patience`` losses or more have brought nothing."""
        return self.since >= self._patience


class Overtraining(TensorRule[Parameters]):
    """Losses of training steps and means of evaluations."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        p = self.parameters
        self._training = Patience(p.patience_train, p.delta)
        self._validation = Patience(p.patience_validation, p.delta)
        self._phases = Phases()
        self._last: tuple[int, str] = (0, "loss")

    def examine(self, step: Step) -> Iterator[Finding]:
        loss = loss_at(step)
        if loss is None:
            return
        yield from self._judge(self._phases.add(step, loss))
        if step.trains:
            self._training.add(loss)
        else:
            self._last = (step.mode_step, (step.matching(collections=["losses"]) or ["loss"])[0])

    def conclude(self) -> Iterator[Finding]:
        yield from self._judge(self._phases.close())

    def _judge(self, means: tuple[float, float] | None) -> Iterator[Finding]:
        if means is None:
            return
        self._validation.add(means[1])
        if self._training.over and self._validation.over:
            step, name = self._last
            yield Finding(
                step,
                "EVAL",
                name,
                {
                    "best_validation_loss": self._validation.best,
                    "validation_loss": means[1],
                    "evaluations_since": self._validation.since,
                },
                f"{self._validation.since} evaluations have brought no better loss than {self._validation.best:.3g}: "
                "train fewer epochs, or set early-stopping-patience.",
            )
