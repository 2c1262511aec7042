"""SimilarAcrossRuns: a training gives the same numbers as another one.

Parameters: Amazon SageMaker developer guide, "List of Debugger built-in rules", which says that tensors are
compared but neither with which tolerance nor which way the rule speaks; as its siblings' names do, ours names
the condition that is met: the tensors are alike (numpy.allclose with its own defaults) after the first step.
A hyperparameter that is changed and never reaches its use looks like that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from smdebug import modes
from smdebug.exceptions import (
    NoMoreData,
    StepNotYetAvailable,
    StepUnavailable,
    TensorUnavailable,
    TensorUnavailableForStep,
)

from container.common.errors import HyperparameterError
from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; ``other_trials`` is a folder of tensors, and losses are compared by default."""

    other_trials: str
    collection_names: tuple[str, ...] = ()
    tensor_regex: tuple[str, ...] = ()


def alike(one: Array, other: Array) -> bool:
    """Equal shapes and values, as close as numpy.allclose demands."""
    return one.shape == other.shape and np.allclose(one, other, equal_nan=True)


class SimilarAcrossRuns(TensorRule[Parameters]):
    """Every tensor chosen, at every step both have, but the first: with one seed all runs begin alike."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        if not parameters.get("other_trials"):
            raise HyperparameterError(
                "The rule SimilarAcrossRuns needs 'other_trials', the folder of another run's tensors."
            )
        folder = Path(str(parameters["other_trials"]))
        if not (folder / "collections").is_dir():
            raise HyperparameterError(
                f"The rule SimilarAcrossRuns cannot compare with {folder}: there are no tensors of a run there."
            )
        from smdebug.trials import create_trial

        self._other = create_trial(str(folder))
        super().__init__(base_trial, trials=[self._other], **parameters)

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        if step.mode_step == 0:
            return
        chosen = p.collection_names if p.collection_names or p.tensor_regex else ("losses",)
        compared = []
        for name in step.matching(p.tensor_regex, chosen):
            own, other = step.value(name), self._others(name, step)
            if own is not None and other is not None:
                compared.append((name, alike(own, other)))
        if compared and all(same for _, same in compared):
            yield finding(
                step,
                compared[0][0],
                f"The run gives the same numbers as {p.other_trials}: what was changed between them has no effect; "
                "look whether it reaches its use, or whether both were meant to be the same.",
                tensors=len(compared),
            )

    def _others(self, name: str, step: Step) -> Array | None:
        try:
            return np.asarray(self._other.tensor(name).value(step.mode_step, mode=modes[step.mode]))
        except (TensorUnavailable, TensorUnavailableForStep, StepUnavailable, StepNotYetAvailable, NoMoreData):
            # Which of them depends on whether the other run has left word of its end, as no job of SageMaker's does.
            return None
