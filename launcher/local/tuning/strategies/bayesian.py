"""Bayesian: a Gaussian process over the trials so far, and the point of the greatest expected improvement.

Trials that still run are shown to it as running: Optuna then maximizes the improvement expected beside theirs, so
that two trials at once do not try the same. What earlier searches found (warm start) is shown as ended trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev

from launcher.local.tuning.space import Space, Values
from launcher.local.tuning.strategies.base import draw, new_study, seed_of
from launcher.local.tuning.trials import Objective, Trial
from launcher.local.tuning.warmstart import Known

# So many trials at random come first. On a bowl and on Branin's function, five found as much no sooner.
STARTUP = 5


class Bayesian:
    """Optuna's Gaussian-process sampler."""

    def __init__(self, space: Space, seed: int, objective: Objective, known: Sequence[Known] = ()) -> None:
        self._space, self._seed, self._objective, self._known = space, seed, objective, tuple(known)

    def suggest(self, number: int, trials: Sequence[Trial]) -> Values | None:
        """The most promising point, or a random one when that was tried before."""

        def propose(attempt: int) -> Values:
            seed = seed_of(self._seed, number, attempt)
            return draw(self._space, seed) if attempt else self._promising(trials, seed)

        return self._space.untried((trial.values for trial in trials), propose)

    def _promising(self, trials: Sequence[Trial], seed: int) -> Values:
        evaluated = [(trial.values, trial.objective) for trial in trials if trial.objective is not None]
        evaluated += _on_the_scale_of([value for _, value in evaluated], self._known)
        if len(evaluated) < STARTUP:
            return draw(self._space, seed)
        from optuna.distributions import BaseDistribution
        from optuna.samplers import GPSampler
        from optuna.trial import TrialState, create_trial

        distributions: dict[str, BaseDistribution] = self._space.distributions()
        study = new_study(
            GPSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False),
            maximize=self._objective.maximize,
        )
        for values, objective in evaluated:
            params = self._space.params(values)
            if params is not None:
                study.add_trial(create_trial(value=objective, params=params, distributions=distributions))
        for trial in trials:
            params = None if trial.ended else self._space.params(trial.values)
            if params is not None:
                study.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=distributions))
        return self._space.texts(study.ask(distributions).params)


def _on_the_scale_of(own: Sequence[float], known: Sequence[Known]) -> list[tuple[Values, float]]:
    """What is known from other data, shifted and stretched to this search's objectives.

    Which values are good there says something about which are good here; how good they are does not.
    """
    found: list[tuple[Values, float]] = []
    for parent in dict.fromkeys(each.parent for each in known):
        group = [each for each in known if each.parent == parent]
        there = [each.objective for each in group]
        if group[0].identical or len(own) < 2:
            found += [(each.values, each.objective) for each in group]
            continue
        stretch = pstdev(own) / (pstdev(there) or 1.0)
        found += [(each.values, fmean(own) + (each.objective - fmean(there)) * stretch) for each in group]
    return found
