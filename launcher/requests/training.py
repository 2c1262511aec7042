"""CreateTrainingJob's request."""

from __future__ import annotations

from typing import Any

from container.common import metrics
from launcher.config.run import Training

CHECKPOINT_PATH = "/opt/ml/checkpoints"
PROJECT_TAG = {"Key": "project", "Value": "byoc-image-classifier"}


def create_training_job(training: Training) -> dict[str, Any]:
    """The request for one training job."""
    return {
        "TrainingJobName": training.name,
        "HyperParameters": dict(training.hyperparameters),
        "ResourceConfig": resources(training),
        **definition(training),
        "Tags": [PROJECT_TAG],
    }


def definition(training: Training) -> dict[str, Any]:
    """What a training job and the trials of a search say alike."""
    shared: dict[str, Any] = {
        "RoleArn": training.role,
        "AlgorithmSpecification": {
            "TrainingImage": training.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": metrics.metric_definitions(),
        },
        "InputDataConfig": [_channel(name, uri) for name, uri in training.channels.items()],
        "OutputDataConfig": {"S3OutputPath": training.output},
        "StoppingCondition": {"MaxRuntimeInSeconds": training.max_runtime},
    }
    if training.checkpoints:
        shared["CheckpointConfig"] = {"S3Uri": training.checkpoints, "LocalPath": CHECKPOINT_PATH}
    if training.environment:
        shared["Environment"] = dict(training.environment)
    return shared


def resources(training: Training) -> dict[str, Any]:
    """The machines of one job."""
    return {
        "InstanceType": training.instance_type,
        "InstanceCount": training.instance_count,
        "VolumeSizeInGB": training.volume_gb,
    }


def _channel(name: str, uri: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
        },
        "InputMode": "File",
    }
