"""Grid: every combination of categorical values once, in an order drawn from the seed."""

from __future__ import annotations

from collections.abc import Sequence

from launcher.local.tuning.space import Space, Values
from launcher.local.tuning.strategies.base import new_study
from launcher.local.tuning.trials import Trial


class Grid:
    """Optuna's grid sampler."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._order: list[Values] = []

    def suggest(self, number: int, trials: Sequence[Trial]) -> Values | None:
        """The next combination that was not tried."""
        tried = [trial.values for trial in trials]
        return next((each for each in self._combinations() if each not in tried), None)

    def _combinations(self) -> list[Values]:
        if not self._order:
            from optuna.samplers import GridSampler

            choices = {each.name: list(dict.fromkeys(each.choices)) for each in self._space.ranges}
            study = new_study(GridSampler(choices, seed=self._seed))
            distributions = self._space.distributions()
            size = self._space.size or 0
            self._order = [self._space.texts(study.ask(distributions).params) for _ in range(size)]
        return self._order
