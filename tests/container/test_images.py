"""What the two images are: built from this checkout, and looked at from outside."""

from __future__ import annotations

import json

import pytest

from tests.docker import SERVE_IMAGE, TRAIN_IMAGE, build, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


def inspect(image: str) -> dict:
    return json.loads(docker("image", "inspect", build(image)).stdout)[0]


def inside(image: str, *command: str) -> str:
    return docker("run", "--rm", "--network", "none", build(image), *command).stdout


def test_the_serving_image_is_at_most_750_mb() -> None:
    assert inspect(SERVE_IMAGE)["Size"] <= 750_000_000


def test_the_serving_image_holds_no_torch_and_the_other_half_of_no_code() -> None:
    names = ("torch", "torchvision", "nncf", "openvino", "container.serve", "container.train")
    code = f"import importlib.util as u; print([u.find_spec(n) is not None for n in {names}])"
    found = inside(SERVE_IMAGE, "python", "-c", code)
    assert found.strip() == "[False, False, False, True, True, False]"


def test_the_serving_image_does_not_run_as_root() -> None:
    assert inside(SERVE_IMAGE, "id", "-u").strip() not in ("", "0")


def test_the_serving_image_says_it_can_hold_several_models_and_bind_to_a_port() -> None:
    labels = inspect(SERVE_IMAGE)["Config"]["Labels"]
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert "8080/tcp" in inspect(SERVE_IMAGE)["Config"]["ExposedPorts"]


@pytest.mark.parametrize("image", [TRAIN_IMAGE, SERVE_IMAGE])
def test_code_does_not_lie_where_a_caller_mounts(image: str) -> None:
    assert inside(image, "sh", "-c", "find /opt/ml -type f 2>/dev/null | wc -l").strip() == "0"


@pytest.mark.parametrize("image", [TRAIN_IMAGE, SERVE_IMAGE])
def test_no_layer_or_variable_names_a_secret(image: str) -> None:
    config = json.dumps(inspect(image)["Config"]["Env"]).lower()
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", build(image)).stdout.lower()
    for word in ("secret", "token", "password", "aws_access_key"):
        assert word not in config
        assert word not in history


def test_the_training_image_imports_all_it_is_built_on() -> None:
    code = "import torch, torchvision, smdebug.pytorch, openvino, nncf, sagemaker_training; print('fine')"
    said = inside(TRAIN_IMAGE, "python", "-W", "ignore", "-c", code)
    assert "fine" in said
