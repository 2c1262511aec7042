"""StalledTrainingRule: no tensor has come for so many seconds.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". It is about
time, so it speaks only while a training is watched, not of a finished folder. What our own hook writes between
the steps it saves counts as a tensor: of a long training it saves one in thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule
from container.train.rules.steps import Step


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them. AWS's action needs ``training_job_name_prefix``; here the job itself is meant."""

    threshold: int = 1800
    stop_training_on_fire: bool = False
    training_job_name_prefix: str | None = None


def is_met(seconds: float, threshold: float) -> bool:
    """As long as the threshold, or longer."""
    return seconds >= threshold


class StalledTrainingRule(TensorRule[Parameters]):
    """The time since the last step."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._last: tuple[int, str] = (0, "GLOBAL")

    def examine(self, step: Step) -> Iterator[Finding]:
        self._last = (step.mode_step, step.mode)
        yield from ()

    def wait(self, seconds: float) -> Iterator[Finding]:
        if is_met(seconds, self.parameters.threshold):
            yield Finding(
                *self._last,
                "",
                {"seconds": round(seconds, 1), "threshold": self.parameters.threshold},
                f"No tensor has come for {seconds:.0f} seconds: training stands still; look at the data channel, at "
                "memory and at the other hosts.",
            )
