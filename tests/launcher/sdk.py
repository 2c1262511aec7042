"""AWS's own Python SDK (v2) on clients that keep what it sends: what our requests are compared with."""

from __future__ import annotations

from typing import Any

import pytest

from launcher.config.run import Training

REGION = "eu-west-1"


class Catcher:
    """In the place of boto3.client("sagemaker"): keeps each request by its call's name, and answers little."""

    def __init__(self) -> None:
        self.caught: dict[str, dict[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(("create_", "update_")):
            raise AttributeError(name)

        def call(**request: Any) -> dict[str, Any]:
            self.caught[name] = request
            return {"EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/x"}

        return call


def quiet(monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    """Neither its settings on this machine nor an instance's credentials are looked for.

    The one setting that it is told (``session``) it would check against its schema some twenty times a request, which
    takes it seconds.
    """
    import sagemaker.utils

    monkeypatch.setattr(sagemaker.utils, "validate_sagemaker_config", lambda _settings: None)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("SAGEMAKER_ADMIN_CONFIG_OVERRIDE", str(folder / "admin"))
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(folder / "user"))


def session(catcher: Any) -> Any:
    """The SDK's session on a catcher."""
    import boto3
    from sagemaker.session import Session

    told = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
    keys = {"region_name": REGION, "aws_access_key_id": "x", "aws_secret_access_key": "y"}
    return Session(boto3.Session(**keys), sagemaker_client=catcher, sagemaker_config=told, default_bucket="b")


def estimator(training: Training, catcher: Any, **more: Any) -> Any:
    """The SDK's Estimator for the same job; ``more`` are its arguments that not every job needs."""
    from sagemaker.estimator import Estimator

    return Estimator(
        image_uri=training.image, role=training.role, instance_count=training.instance_count,
        instance_type=training.instance_type, volume_size=training.volume_gb, max_run=training.max_runtime,
        output_path=training.output, hyperparameters=dict(training.hyperparameters),
        sagemaker_session=session(catcher), environment=dict(training.environment) or None,
        checkpoint_s3_uri=training.checkpoints,
        checkpoint_local_path="/opt/ml/checkpoints" if training.checkpoints else None,
        **more,
    )  # fmt: skip
