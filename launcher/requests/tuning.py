"""CreateHyperParameterTuningJob's request."""

from __future__ import annotations

from typing import Any

from launcher.config.ranges import Choices, Numbers
from launcher.config.tuning import Tuning
from launcher.requests.training import definition, resources, tags


def create_hyper_parameter_tuning_job(tuning: Tuning) -> dict[str, Any]:
    """The request for one search."""
    request: dict[str, Any] = {
        "HyperParameterTuningJobName": tuning.name,
        "HyperParameterTuningJobConfig": _config(tuning),
        "TrainingJobDefinition": {
            "StaticHyperParameters": dict(tuning.training.hyperparameters),
            "HyperParameterTuningResourceConfig": resources(tuning.training),
            **definition(tuning.training),
        },
        "Tags": tags(tuning.training.managed),
    }
    if tuning.warm_start:
        request["WarmStartConfig"] = {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name} for name in tuning.warm_start],
            "WarmStartType": tuning.warm_start_type,
        }
    return request


def _config(tuning: Tuning) -> dict[str, Any]:
    config: dict[str, Any] = {
        "Strategy": tuning.strategy,
        "HyperParameterTuningJobObjective": {"Type": tuning.goal, "MetricName": tuning.objective},
        "ResourceLimits": _limits(tuning),
        "ParameterRanges": _ranges(tuning),
        "TrainingJobEarlyStoppingType": tuning.early_stopping,
    }
    if tuning.max_resource is not None:
        hyperband = {"MinResource": tuning.min_resource or 1, "MaxResource": tuning.max_resource}
        config["StrategyConfig"] = {"HyperbandStrategyConfig": hyperband}
    criteria = _completion(tuning)
    if criteria:
        config["TuningJobCompletionCriteria"] = criteria
    if tuning.random_seed is not None:
        config["RandomSeed"] = tuning.random_seed
    return config


def _limits(tuning: Tuning) -> dict[str, int]:
    limits = {"MaxParallelTrainingJobs": tuning.parallel}
    if tuning.jobs is not None:
        limits["MaxNumberOfTrainingJobs"] = tuning.jobs
    if tuning.max_search_runtime is not None:
        limits["MaxRuntimeInSeconds"] = tuning.max_search_runtime
    return limits


def _ranges(tuning: Tuning) -> dict[str, list[dict[str, Any]]]:
    """The three kinds, each of them listed also when empty, as AWS's own SDK does."""
    numbers = {"Integer": [], "Continuous": []}  # type: dict[str, list[dict[str, Any]]]
    choices: list[dict[str, Any]] = []
    for each in tuning.ranges:
        if isinstance(each, Numbers):
            bounds = {"MinValue": each.minimum, "MaxValue": each.maximum}
            numbers[each.kind].append({"Name": each.name, **bounds, "ScalingType": each.scaling})
        elif isinstance(each, Choices):
            choices.append({"Name": each.name, "Values": list(each.values)})
    return {
        "ContinuousParameterRanges": numbers["Continuous"],
        "CategoricalParameterRanges": choices,
        "IntegerParameterRanges": numbers["Integer"],
    }


def _completion(tuning: Tuning) -> dict[str, Any]:
    criteria: dict[str, Any] = {}
    if tuning.target is not None:
        criteria["TargetObjectiveMetricValue"] = tuning.target
    if tuning.patience_jobs is not None:
        criteria["BestObjectiveNotImproving"] = {"MaxNumberOfTrainingJobsNotImproving": tuning.patience_jobs}
    if tuning.until_converged:
        criteria["ConvergenceDetected"] = {"CompleteOnConvergence": "Enabled"}
    return criteria
