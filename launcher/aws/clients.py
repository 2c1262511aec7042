"""Boto3 clients for an account: region, profile and credentials are found as boto3 users expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from launcher.aws.objects import Objects
from launcher.doors import Door, Logs, Runtime, SageMaker
from launcher.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

INTERVAL = 10.0


def open_aws(region: str | None = None, profile: str | None = None) -> Door:
    """The AWS door. Raises AwsError when region, profile or credentials are missing; calls nothing."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ProfileNotFound

    try:
        session = boto3.Session(region_name=region, profile_name=profile)
    except ProfileNotFound as exc:
        raise AwsError(f"{exc}; name one that `aws configure list-profiles` shows, or add --local.") from exc
    if session.region_name is None:
        raise AwsError("No AWS region is set; add --region, set AWS_REGION, or add --local to stay on this machine.")
    if session.get_credentials() is None:
        raise AwsError(
            "No AWS credentials are found; run `aws configure` (or set AWS_PROFILE), or add --local to stay on "
            "this machine."
        )
    # Describe calls in a loop run into throttling, which these retries wait out.
    config = Config(retries={"mode": "standard", "max_attempts": 8}, read_timeout=90)
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
