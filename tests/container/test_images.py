"""What holds of both images, looked at from outside; tests/serve/test_image.py looks at the serving one alone."""

from __future__ import annotations

import json

import pytest

from tests.docker import SERVE_IMAGE, TRAIN_IMAGE, build, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


def inspect(image: str) -> dict:
    return json.loads(docker("image", "inspect", build(image)).stdout)[0]


def inside(image: str, *command: str) -> str:
    return docker("run", "--rm", "--network", "none", build(image), *command).stdout


def test_the_serving_image_holds_no_code_of_the_other_half() -> None:
    code = "import importlib.util as u; print([bool(u.find_spec(f'container.{n}')) for n in ('serve', 'train')])"
    assert inside(SERVE_IMAGE, "python", "-c", code).strip() == "[True, False]"


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
