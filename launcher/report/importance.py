"""How much of the objective's variance each hyperparameter explains: functional ANOVA, by Optuna.

Hutter, Hoos & Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from container.common.charts.scales import Category
from launcher.report.trials import Parameter, Trial

# With fewer, a forest of trees says more about its seed than about the hyperparameters.
FEWEST = 8
_SEED = 0


def importances(parameters: Sequence[Parameter], trials: Sequence[Trial]) -> Mapping[str, float] | str:
    """Shares that sum to 1, the largest first; or a sentence that says why there are none."""
    usable = [trial for trial in trials if _complete(parameters, trial)]
    if len(usable) < FEWEST:
        return f"Importance needs at least {FEWEST} trials with an objective; so far there are {len(usable)}."
    if len({trial.objective for trial in usable}) == 1:
        return "All trials have the same objective, so no hyperparameter made a difference."
    import optuna

    # Every number is given by its place on the scale it was searched on: Optuna would weigh a logarithmic range by
    # its plain width, of which the topmost decade is nine tenths.
    distributions: dict[str, Any] = {
        each.name: optuna.distributions.CategoricalDistribution(tuple(dict.fromkeys(each.scale.values)))
        if isinstance(each.scale, Category)
        else optuna.distributions.FloatDistribution(0.0, 1.0)
        for each in parameters
    }
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study()
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={each.name: _value(each, trial) for each in parameters},
                    distributions=distributions,
                    value=trial.objective,
                )
                for trial in usable
            ]
        )
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=_SEED)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return found


def _complete(parameters: Sequence[Parameter], trial: Trial) -> bool:
    return trial.objective is not None and all(
        each.name in trial.values and each.scale.place(trial.values[each.name]) is not None for each in parameters
    )


def _value(parameter: Parameter, trial: Trial) -> float | str:
    value = trial.values[parameter.name]
    if isinstance(parameter.scale, Category):
        return value
    place = parameter.scale.place(value)
    assert place is not None
    return min(1.0, max(0.0, place))
