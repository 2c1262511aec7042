"""Boto3 clients for an account, made as ``launcher.aws.session`` says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from launcher.aws.ledger import Ledger, Recorded
from launcher.aws.objects import Objects
from launcher.aws.patience import Patient
from launcher.aws.session import open_session, retries
from launcher.doors import AutoScaling, Door, Logs, Runtime, SageMaker

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

INTERVAL = 10.0


def open_aws(region: str | None = None, profile: str | None = None, *, ledger: Ledger | None = None) -> Door:
    """The AWS door; what is made through it is noted in ``ledger``.

    Raises AwsError when region, profile or credentials are missing; calls nothing.
    """
    session = open_session(region, profile, otherwise=", or add --local to stay on this machine")
    config = retries()
    sagemaker: SageMakerClient = session.client("sagemaker", config=config)
    runtime: SageMakerRuntimeClient = session.client("sagemaker-runtime", config=config)
    logs: Logs = session.client("logs", config=config)
    scaling: AutoScaling = session.client("application-autoscaling", config=config)
    objects = Objects(lambda: session.client("s3", config=config))
    return aws_door(sagemaker, runtime, logs, objects, autoscaling=scaling, ledger=ledger)


def aws_door(
    sagemaker: SageMakerClient,
    runtime: SageMakerRuntimeClient,
    logs: Logs,
    objects: Objects,
    *,
    autoscaling: AutoScaling | None = None,
    ledger: Ledger | None = None,
    interval: float = INTERVAL,
    sleep: Callable[[float], None] = time.sleep,
) -> Door:
    """A door of boto3 clients. The stubs' dicts are typed one by one; the verbs' are the plain ones beneath."""
    region = sagemaker.meta.region_name
    patient = Patient(sagemaker, sleep)
    return Door(
        kind="aws",
        sagemaker=cast(SageMaker, Recorded(patient, ledger, region) if ledger else patient),
        runtime=cast(Runtime, runtime),
        logs=cast(Logs, Patient(logs, sleep)),
        read=objects.read,
        write=objects.write,
        listing=objects.listing,
        autoscaling=autoscaling,
        measure=objects.measure,
        interval=interval,
        region=region,
    )
