"""CreateTrainingJob's request."""

from __future__ import annotations

from typing import Any

from container.common import channels, metrics
from launcher.config.instances import has_local_disks
from launcher.config.managed import Shielded
from launcher.config.run import Training
from launcher.requests import debugger

CHECKPOINT_PATH = "/opt/ml/checkpoints"
PROJECT_TAG = {"Key": "project", "Value": "byoc-image-classifier"}


def create_training_job(training: Training) -> dict[str, Any]:
    """The request for one training job."""
    return {
        "TrainingJobName": training.name,
        "HyperParameters": debugger.hyperparameters(training),
        "ResourceConfig": {**resources(training), **_warm_pool(training)},
        **definition(training),
        **debugger.fields(training),
        "Tags": tags(training.managed),
    }


def definition(training: Training) -> dict[str, Any]:
    """What a training job and the trials of a search say alike."""
    shared: dict[str, Any] = {
        "RoleArn": training.role,
        "AlgorithmSpecification": {
            "TrainingImage": training.image,
            "TrainingInputMode": training.managed.input_mode,
            "MetricDefinitions": metrics.metric_definitions(),
        },
        "InputDataConfig": [_channel(name, uri, training) for name, uri in training.channels.items()],
        "OutputDataConfig": {"S3OutputPath": training.output},
        "StoppingCondition": {"MaxRuntimeInSeconds": training.max_runtime},
        **shield(training.managed),
    }
    managed = training.managed
    if managed.kms_key:
        shared["OutputDataConfig"]["KmsKeyId"] = managed.kms_key
    if managed.spot:
        shared["EnableManagedSpotTraining"] = True
        shared["StoppingCondition"]["MaxWaitTimeInSeconds"] = training.max_wait
    if managed.encrypt_traffic:
        shared["EnableInterContainerTrafficEncryption"] = True
    if training.checkpoints:
        shared["CheckpointConfig"] = {"S3Uri": training.checkpoints, "LocalPath": CHECKPOINT_PATH}
    if training.environment:
        shared["Environment"] = dict(training.environment)
    return shared


def resources(training: Training) -> dict[str, Any]:
    """The machines of one job; a key for their disks where they take one."""
    key = None if has_local_disks(training.instance_type) else training.managed.kms_key
    return {
        "InstanceType": training.instance_type,
        "InstanceCount": training.instance_count,
        "VolumeSizeInGB": training.volume_gb,
        **({"VolumeKmsKeyId": key} if key else {}),
    }


def _warm_pool(training: Training) -> dict[str, Any]:
    """Instances that wait for the next job; trials have none, for a search keeps its own."""
    seconds = training.managed.keep_alive
    return {"KeepAlivePeriodInSeconds": seconds} if seconds else {}


def tags(shielded: Shielded, **own: str) -> list[dict[str, str]]:
    """The project's tag, ``own``, and the person's."""
    given = {PROJECT_TAG["Key"]: PROJECT_TAG["Value"], **shielded.tags, **own}
    return [{"Key": key, "Value": value} for key, value in given.items()]


def shield(shielded: Shielded) -> dict[str, Any]:
    """The network of a job or a model, as far as anything was said of it."""
    found: dict[str, Any] = {}
    if shielded.isolated:
        found["EnableNetworkIsolation"] = True
    if shielded.subnets:
        groups, subnets = list(shielded.security_groups), list(shielded.subnets)
        found["VpcConfig"] = {"SecurityGroupIds": groups, "Subnets": subnets}
    return found


def _channel(name: str, uri: str, training: Training) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
        },
        # A file of weights is read as one, whatever the pictures are.
        "InputMode": "File" if name == channels.WEIGHTS else training.managed.input_mode,
    }
