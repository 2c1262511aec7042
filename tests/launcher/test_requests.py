"""The requests, checked against botocore's own model of the service."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from container.common.metrics import format_line
from launcher import requests
from launcher.config.run import Endpoint, Training

MODEL = botocore.session.get_session().get_service_model("sagemaker")


def check(operation: str, request: dict[str, Any]) -> None:
    """Botocore's own check, and the patterns and lengths of strings, which it leaves to the service."""
    shape = MODEL.operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    _check_strings(shape, request)


def _check_strings(shape: Any, value: Any) -> None:
    if shape.type_name == "structure":
        for key, inner in value.items():
            _check_strings(shape.members[key], inner)
    elif shape.type_name == "list":
        for inner in value:
            _check_strings(shape.member, inner)
    elif shape.type_name == "map":
        for key, inner in value.items():
            _check_strings(shape.key, key)
            _check_strings(shape.value, inner)
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern", ".*")
        for java, python in (("\\p{L}", "\\w"), ("\\p{Z}", "\\s"), ("\\p{N}", "\\d")):
            pattern = pattern.replace(java, python)
        assert re.fullmatch(pattern, value, re.DOTALL), (shape.name, value)
        assert len(value) <= shape.metadata.get("max", len(value)), (shape.name, value)
        assert value in (shape.metadata.get("enum") or [value]), (shape.name, value)


def in_aws(**changes: Any) -> Training:
    fields: dict[str, Any] = {
        "name": "job",
        "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/byoc-train:1",
        "role": "arn:aws:iam::123456789012:role/sage",
        "hyperparameters": {"lr": "0.01"},
        "channels": {"train": "s3://b/train", "validation": "s3://b/val"},
        "output": "s3://b/out",
        "checkpoints": "s3://b/out/job/checkpoints",
        "instance_type": "ml.g5.xlarge",
        "max_runtime": 600,
        "environment": {"A": "b"},
        **changes,
    }
    return Training(**fields)


def test_the_training_request_is_one_that_sagemaker_takes() -> None:
    request = requests.create_training_job(in_aws())
    check("CreateTrainingJob", request)
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 600}
    assert request["CheckpointConfig"] == {"S3Uri": "s3://b/out/job/checkpoints", "LocalPath": "/opt/ml/checkpoints"}
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train", "validation"]


def test_debugger_and_profiler_are_not_sent_unasked() -> None:
    request = requests.create_training_job(in_aws())
    assert not [key for key in request if key.startswith(("Debug", "Profiler"))]


def test_the_metric_definitions_find_what_training_prints() -> None:
    request = requests.create_training_job(in_aws())
    definitions = request["AlgorithmSpecification"]["MetricDefinitions"]
    assert len(definitions) <= 40
    line = format_line({"epoch": 3, "validation:loss": 0.25})
    found = {d["Name"]: m.group(1) for d in definitions if (m := re.search(d["Regex"], line))}
    assert found == {"epoch": "3", "validation:loss": "0.2500"}


@pytest.mark.parametrize("model_data", ["s3://b/out/job/output/model.tar.gz", "s3://b/unpacked"])
def test_the_endpoint_requests_are_ones_that_sagemaker_takes(model_data: str) -> None:
    endpoint = Endpoint(
        name="bees", image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/byoc-serve:1",
        role="arn:aws:iam::123456789012:role/sage", model_data=model_data, instance_type="ml.m5.large",
        environment={"SERVE_MODE": "latency"},
    )  # fmt: skip
    (model,) = requests.create_models(endpoint)
    check("CreateModel", model)
    check("CreateEndpointConfig", requests.create_endpoint_config(endpoint))
    check("CreateEndpoint", requests.create_endpoint(endpoint))


def test_the_doors_requests_differ_in_values_only(training: Callable[..., Training]) -> None:
    local = requests.create_training_job(training(checkpoints="file:///c"))
    aws = requests.create_training_job(in_aws(channels={"train": "s3://b/train"}))
    assert shape_of(local) == shape_of(aws)


def shape_of(value: Any) -> Any:
    """A request without its values; names in maps of the user's own are values too."""
    if isinstance(value, dict):
        own = set(value) <= {"lr", "A", "FAKE_MODE"}
        return "map" if own else {key: shape_of(inner) for key, inner in value.items()}
    return [shape_of(inner) for inner in value] if isinstance(value, list) else type(value).__name__
