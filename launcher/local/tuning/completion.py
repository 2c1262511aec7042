"""When a search has tried enough: TuningJobCompletionCriteria.

AWS counts a training job as not improving when it betters the best objective by 1 % or less. How it detects
convergence it does not say; here a search has converged when ten trials in a row have not improved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launcher.local.tuning.trials import Objective, Trial

_IMPROVEMENT = 0.01
_CONVERGED_AFTER = 10


def details(trials: Sequence[Trial], objective: Objective) -> dict[str, Any]:
    """TuningJobCompletionDetails, from the ended trials in the order in which they ended."""
    best: float | None = None
    idle = 0
    converged: float | None = None
    for trial in sorted((trial for trial in trials if trial.ended), key=_ended_at):
        value = trial.objective
        if value is not None and (best is None or _improves(value, best, objective)):
            best, idle, converged = value, 0, None
            continue
        # A failure before the first success says nothing about improvement.
        idle += best is not None
        if idle == _CONVERGED_AFTER and converged is None:
            converged = _ended_at(trial)
    found: dict[str, Any] = {"NumberOfTrainingJobsObjectiveNotImproving": idle}
    return found if converged is None else {**found, "ConvergenceDetectedTime": converged}


def reached(config: Mapping[str, Any], trials: Sequence[Trial], objective: Objective) -> str | None:
    """The criterion that is met, in words, or None."""
    criteria = config.get("TuningJobCompletionCriteria", {})
    target = criteria.get("TargetObjectiveMetricValue")
    best = objective.best(list(trials))
    value = best.objective if best is not None else None
    if target is not None and value is not None and not objective.better(float(target), value):
        return f"{objective.metric} reached {value:g}; the target was {float(target):g}"
    found = details(trials, objective)
    limit = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
    idle = found["NumberOfTrainingJobsObjectiveNotImproving"]
    if limit is not None and idle >= limit:
        return f"{idle} training jobs in a row have not improved {objective.metric}"
    wanted = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled"
    if wanted and "ConvergenceDetectedTime" in found:
        return f"the search has converged: {idle} training jobs in a row have not improved {objective.metric}"
    return None


def _improves(value: float, best: float, objective: Objective) -> bool:
    return objective.better(value, best) and abs(value - best) > _IMPROVEMENT * abs(best)


def _ended_at(trial: Trial) -> float:
    record = trial.record
    return float(record.get("TrainingEndTime") or record.get("LastModifiedTime") or record["CreationTime"])
