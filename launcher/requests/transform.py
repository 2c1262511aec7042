"""The requests that run a batch transform job: its model, when it has one of its own, and itself."""

from __future__ import annotations

from typing import Any

from launcher.config.instances import has_local_disks
from launcher.config.transform import Transform
from launcher.requests.model import create_model
from launcher.requests.training import tags

# The tag by which a job's own model is known.
TRANSFORM_TAG = "transform"


def create_transform_model(transform: Transform) -> dict[str, Any] | None:
    """CreateModel's request; None for a job of a model that is there already."""
    if not transform.model_data:
        return None
    return create_model(
        transform.model_name, image=transform.image, role=transform.role, model_data=transform.model_data,
        environment={}, shielded=transform.managed, tags=tags(transform.managed, **{TRANSFORM_TAG: transform.name}),
    )  # fmt: skip


def create_transform_job(transform: Transform) -> dict[str, Any]:
    """CreateTransformJob's request: one picture is one object, one request, and one answer NAME.out."""
    key = transform.managed.kms_key
    kind = "ManifestFile" if transform.listed else "S3Prefix"
    request: dict[str, Any] = {
        "TransformJobName": transform.name,
        "ModelName": transform.model_name,
        "MaxConcurrentTransforms": transform.concurrent,
        "MaxPayloadInMB": transform.payload,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": transform.input}},
            "ContentType": transform.content_type,
        },
        "TransformOutput": {
            "S3OutputPath": transform.output,
            "Accept": transform.accept,
            **({"KmsKeyId": key} if key else {}),
        },
        "TransformResources": {
            "InstanceType": transform.instance_type,
            "InstanceCount": transform.instance_count,
            **({"VolumeKmsKeyId": key} if key and not has_local_disks(transform.instance_type) else {}),
        },
        "Tags": tags(transform.managed),
    }
    if transform.strategy:
        request["BatchStrategy"] = transform.strategy
    client = {"InvocationsTimeoutInSeconds": transform.timeout, "InvocationsMaxRetries": transform.retries}
    given = {name: value for name, value in client.items() if value is not None}
    if given:
        request["ModelClientConfig"] = given
    if transform.environment:
        request["Environment"] = dict(transform.environment)
    return request
