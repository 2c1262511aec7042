"""One saved step of a training, as rules look at it: names, values and reductions of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smdebug.exceptions import StepUnavailable, TensorUnavailable, TensorUnavailableForStep

Array = NDArray[Any]

TRAINING = ("TRAIN", "GLOBAL")

# What a reader of smdebug raises for a tensor that is not there at a step, or there only as reductions.
_ABSENT = (TensorUnavailableForStep, TensorUnavailable, StepUnavailable)


class Step:
    """The global step ``number`` of ``trial``; what is read once is kept as long as the step is."""

    def __init__(self, trial: Any, number: int) -> None:
        self.trial, self.number = trial, number
        mode, mode_step = trial.mode_modestep(number)
        self.mode: str = mode.name if mode is not None else "GLOBAL"
        self.mode_step: int = number if mode_step is None else int(mode_step)
        self._values: dict[str, Array | None] = {}
        self._reductions: dict[tuple[str, str, bool], float | None] = {}

    @property
    def trains(self) -> bool:
        """Whether this is a step of training, or of a trial that knows no phases."""
        return self.mode in TRAINING

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every tensor saved at this step."""
        return tuple(sorted(self.trial.tensor_names(step=self.number)))

    def matching(self, regexes: Iterable[str] = (), collections: Iterable[str] = ()) -> list[str]:
        """The tensors that match one of ``regexes`` or are in one of ``collections``."""
        patterns = list(regexes)
        exact: set[str] = set()
        for name in collections:
            collection = self.trial.collections().get(name)
            if collection is not None:
                patterns += collection.include_regex
                exact |= set(collection.tensor_names)
        return [name for name in self.names if name in exact or any(re.search(p, name) for p in patterns)]

    def value(self, name: str) -> Array | None:
        """The tensor itself, or None where it was not saved or saved as reductions only."""
        if name not in self._values:
            try:
                self._values[name] = np.asarray(self.trial.tensor(name).value(self.number))
            except _ABSENT:
                self._values[name] = None
        return self._values[name]

    def reduction(self, name: str, kind: str, *, absolute: bool = False) -> float | None:
        """A reduction as saved, or computed from the tensor; None where neither is there."""
        key = (name, kind, absolute)
        if key not in self._reductions:
            try:
                found = self.trial.tensor(name).reduction_value(self.number, kind, abs=absolute)
            except _ABSENT:
                found = None
            self._reductions[key] = None if found is None else float(np.asarray(found).reshape(-1)[0])
        return self._reductions[key]

    def has_gradient(self, parameter: str) -> bool:
        """Whether ``parameter`` trains: its gradient is saved, or no gradient of any parameter is."""
        return self._gradients is None or f"gradient/{parameter}" in self._gradients

    @cached_property
    def _gradients(self) -> frozenset[str] | None:
        known = frozenset(name for name in self.trial.tensor_names() if name.startswith("gradient/"))
        return known or None
