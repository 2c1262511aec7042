"""Losses over a training: their value at a step, and means over phases, which three rules share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from container.train.rules.steps import Step

COLLECTION = "losses"


def loss_at(step: Step, regexes: Iterable[str] = (), collections: Iterable[str] = (COLLECTION,)) -> float | None:
    """The mean of the scalar losses saved at ``step``; None where there is none."""
    found = []
    for name in step.matching(regexes, collections):
        value = step.value(name)
        if value is not None and value.size == 1:
            found.append(float(value.reshape(-1)[0]))
        elif value is None and (mean := step.reduction(name, "mean")) is not None:
            found.append(mean)
    return float(np.mean(found)) if found else None


@dataclass
class Phases:
    """Losses by phase: a round is the training steps up to an evaluation, and that evaluation."""

    training: list[float] = field(default_factory=list)
    evaluation: list[float] = field(default_factory=list)

    def add(self, step: Step, loss: float) -> tuple[float, float] | None:
        """Count one loss; (mean training, mean evaluation) of the round that ends as this step begins the next."""
        done = None
        if step.mode == "TRAIN" and self.evaluation:
            done = self.close()
        if step.mode == "TRAIN":
            self.training.append(loss)
        elif step.mode == "EVAL":
            self.evaluation.append(loss)
        return done

    def close(self) -> tuple[float, float] | None:
        """The means of the round so far, which ends here."""
        means = None
        if self.training and self.evaluation:
            means = float(np.mean(self.training)), float(np.mean(self.evaluation))
        self.training, self.evaluation = [], []
        return means
