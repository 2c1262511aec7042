"""CreateTrainingJob's request."""

from __future__ import annotations

from typing import Any

from container.common import metrics
from launcher.config.run import Training

CHECKPOINT_PATH = "/opt/ml/checkpoints"
PROJECT_TAG = {"Key": "project", "Value": "byoc-image-classifier"}


def create_training_job(training: Training) -> dict[str, Any]:
    """The request for one training job."""
    request: dict[str, Any] = {
        "TrainingJobName": training.name,
        "RoleArn": training.role,
        "AlgorithmSpecification": {
            "TrainingImage": training.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": metrics.metric_definitions(),
        },
        "HyperParameters": dict(training.hyperparameters),
        "InputDataConfig": [_channel(name, uri) for name, uri in training.channels.items()],
        "OutputDataConfig": {"S3OutputPath": training.output},
        "ResourceConfig": {
            "InstanceType": training.instance_type,
            "InstanceCount": training.instance_count,
            "VolumeSizeInGB": training.volume_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": training.max_runtime},
        "Tags": [PROJECT_TAG],
    }
    if training.checkpoints:
        request["CheckpointConfig"] = {"S3Uri": training.checkpoints, "LocalPath": CHECKPOINT_PATH}
    if training.environment:
        request["Environment"] = dict(training.environment)
    return request


def _channel(name: str, uri: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
        },
        "InputMode": "File",
    }
