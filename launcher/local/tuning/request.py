"""A trial's CreateTrainingJob request, as AWS's tuner makes it."""

from __future__ import annotations

from typing import Any

from launcher.local.store import Document
from launcher.local.threads import threads_each
from launcher.local.tuning.space import Values

# What a training job takes of the definition as it stands.
_TAKEN = ("AlgorithmSpecification", "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig",
          "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
          "EnableManagedSpotTraining", "RetryStrategy", "Environment")  # fmt: skip


def trial_request(search: Document, name: str, values: Values) -> dict[str, Any]:
    """The request for the training job ``name`` of a search, with its tuned values."""
    definition, config = search["TrainingJobDefinition"], search["HyperParameterTuningJobConfig"]
    request: dict[str, Any] = {
        "TrainingJobName": name,
        "HyperParameters": {
            **definition.get("StaticHyperParameters", {}),
            **values,
            "_tuning_objective_metric": config["HyperParameterTuningJobObjective"]["MetricName"],
        },
        **{member: definition[member] for member in _TAKEN if member in definition},
        "ResourceConfig": machines(definition),
        "Tags": search.get("Tags", []),
    }
    checkpoints = definition.get("CheckpointConfig")
    if checkpoints:
        # AWS appends the job's name likewise: two trials must not go on from each other's checkpoints.
        place = f"{checkpoints['S3Uri'].rstrip('/')}/{name}"
        request["CheckpointConfig"] = {**checkpoints, "S3Uri": place}
    at_once = int(config["ResourceLimits"]["MaxParallelTrainingJobs"])
    if at_once > 1:
        request["Environment"] = {**threads_each(at_once), **definition.get("Environment", {})}
    return request


def machines(definition: Document) -> dict[str, Any]:
    """The machines of each training job, which AWS's own SDK says in HyperParameterTuningResourceConfig."""
    named = definition.get("ResourceConfig") or definition.get("HyperParameterTuningResourceConfig") or {}
    return dict(named)
