"""SageMaker's answers about a search of three trials, for what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

BEGAN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NOW = BEGAN + timedelta(minutes=30)
Answer = dict[str, Any]
CONTINUOUS = [
    {"Name": "lr", "MinValue": "0.0001", "MaxValue": "0.1", "ScalingType": "Logarithmic"},
    {"Name": "momentum", "MinValue": "0.5", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"},
    {"Name": "dropout", "MinValue": "0", "MaxValue": "0.5", "ScalingType": "Auto"},
]
INTEGER = [{"Name": "batch-size", "MinValue": "8", "MaxValue": "256", "ScalingType": "Linear"}]
CATEGORICAL = [{"Name": "optimizer", "Values": ["adamw", "sgd"]}, {"Name": "head", "Values": ["", "512,64"]}]


def search(status: str = "Completed", *, goal: str = "Maximize", **changes: Any) -> Answer:
    """describe_hyper_parameter_tuning_job's answer."""
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": goal, "MetricName": "validation:accuracy"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1},
        "ParameterRanges": {
            "ContinuousParameterRanges": CONTINUOUS,
            "IntegerParameterRanges": INTEGER,
            "CategoricalParameterRanges": CATEGORICAL,
        },
        "TrainingJobEarlyStoppingType": "Auto",
        **changes,
    }
    answer: Answer = {
        "HyperParameterTuningJobName": "bees",
        "HyperParameterTuningJobStatus": status,
        "CreationTime": BEGAN,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": {
            "StaticHyperParameters": {"epochs": "7", "_tuning_objective_metric": "validation:accuracy"},
            "Environment": {"TOKEN": "hunter2"},
        },
    }
    return (
        answer if status == "InProgress" else {**answer, "HyperParameterTuningEndTime": BEGAN + timedelta(seconds=185)}
    )


def trial(number: int, objective: float | None, status: str = "Completed", **values: str) -> Answer:
    """A summary of a trial that took a minute, a minute after the one before."""
    begun = BEGAN + timedelta(minutes=number - 1)
    standard = {"lr": "0.01", "momentum": "0.9", "dropout": "0.1", "batch-size": "32", "optimizer": "sgd", "head": ""}
    summary: Answer = {
        "TrainingJobName": f"bees-{number:03d}-0123abcd",
        "CreationTime": begun,
        "TrainingStartTime": begun,
        "TrainingEndTime": begun + timedelta(seconds=55),
        "TrainingJobStatus": status,
        "ObjectiveStatus": "Failed" if objective is None else "Succeeded",
        "TunedHyperParameters": {**standard, **values},
    }
    if objective is not None:
        summary["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "MetricName": "validation:accuracy",
            "Value": objective,
        }
    return summary


def failed(number: int, reason: str) -> Answer:
    return {**trial(number, None, "Failed"), "FailureReason": reason}


THREE = [trial(1, 0.9, lr="0.001"), trial(2, 0.95, lr="0.0123456789"), failed(3, "The loss is no number; lower lr.")]
