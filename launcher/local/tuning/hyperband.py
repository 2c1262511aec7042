"""Hyperband's early stopping: brackets of successive halving, each epoch's objective a use of the resource.

Optuna's pruner compares a trial with those that came to the same rung before it, so that nothing waits. It keeps
what it decided in its study, which is why the study here lives as long as the search; after a resume the points on
the disk are shown to it in the order in which they were read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launcher.local.tuning.epochs import epochs_of
from launcher.local.tuning.strategies.base import new_study
from launcher.local.tuning.trials import Objective, Point, Trial

if TYPE_CHECKING:
    from optuna.trial import Trial as OptunaTrial

# AWS's limit.
MOST = 20_000


def resources(config: Mapping[str, Any], static: Mapping[str, str]) -> tuple[int, int | None]:
    """MinResource and MaxResource, the latter from the static hyperparameters when it is not given."""
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    return int(given.get("MinResource", 1)), given.get("MaxResource") or epochs_of(static)


class Hyperband:
    """Says which trials to end."""

    def __init__(self, least: int, most: int, objective: Objective) -> None:
        from optuna.pruners import HyperbandPruner
        from optuna.samplers import RandomSampler

        self._most = most
        self._study = new_study(
            RandomSampler(),
            maximize=objective.maximize,
            pruner=HyperbandPruner(min_resource=least, max_resource=most, reduction_factor=3),
        )
        self._asked: dict[int, OptunaTrial] = {}
        self._seen: dict[int, int] = {}
        self._doomed: set[int] = set()

    def doomed(self, trials: Sequence[Trial]) -> list[Trial]:
        """The running trials that are to end now."""
        news: list[tuple[Point, int, int]] = []
        for trial in trials:
            seen = self._seen.get(trial.number, 0)
            news += [(point, trial.number, seen + i) for i, point in enumerate(trial.points[seen:], start=1)]
            self._seen[trial.number] = len(trial.points)
        for point, number, epoch in sorted(news, key=lambda each: each[0].time):
            self._show(number, epoch, point.value)
        return [trial for trial in trials if not trial.ended and trial.number in self._doomed]

    def _show(self, number: int, epoch: int, value: float) -> None:
        # Optuna counts from 0, and a bracket is drawn from the number.
        while len(self._asked) < number:
            self._asked[len(self._asked) + 1] = self._study.ask()
        trial = self._asked[number]
        trial.report(value, epoch)
        if epoch >= self._most or trial.should_prune():
            self._doomed.add(number)
