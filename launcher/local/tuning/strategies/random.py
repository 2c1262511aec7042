"""Random: every trial at random, none with the values of another while there are others."""

from __future__ import annotations

from collections.abc import Sequence

from launcher.local.tuning.space import Space, Values
from launcher.local.tuning.strategies.base import draw, seed_of
from launcher.local.tuning.trials import Trial


class Random:
    """Optuna's random sampler."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed

    def suggest(self, number: int, trials: Sequence[Trial]) -> Values | None:
        """A point that was not tried."""
        return self._space.untried(
            (trial.values for trial in trials),
            lambda attempt: draw(self._space, seed_of(self._seed, number, attempt)),
        )
