"""Boto3 clients for an account, made as ``launcher.aws.session`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from launcher.aws.objects import Objects
from launcher.aws.session import open_session, retries
from launcher.doors import Door, Logs, Runtime, SageMaker

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

INTERVAL = 10.0


def open_aws(region: str | None = None, profile: str | None = None) -> Door:
    """The AWS door. Raises AwsError when region, profile or credentials are missing; calls nothing."""
    session = open_session(region, profile, otherwise=", or add --local to stay on this machine")
    config = retries()
    sagemaker: SageMakerClient = session.client("sagemaker", config=config)
    runtime: SageMakerRuntimeClient = session.client("sagemaker-runtime", config=config)
    logs: Logs = session.client("logs", config=config)
    return aws_door(sagemaker, runtime, logs, Objects(lambda: session.client("s3", config=config)))


def aws_door(
    sagemaker: SageMakerClient,
    runtime: SageMakerRuntimeClient,
    logs: Logs,
    objects: Objects,
    *,
    interval: float = INTERVAL,
) -> Door:
    """A door of boto3 clients. The stubs' dicts are typed one by one; the verbs' are the plain ones beneath."""
    return Door(
        kind="aws",
        sagemaker=cast(SageMaker, sagemaker),
        runtime=cast(Runtime, runtime),
        logs=logs,
        read=objects.read,
        interval=interval,
    )
