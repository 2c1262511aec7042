"""A word that AWS is not known to have is told, and goes through: AWS may be newer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from launcher.aws.known import region_remark, type_remark
from launcher.cli.root import root


def test_a_mistyped_region_and_type_are_told_with_their_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-wset-1")
    done = CliRunner().invoke(root, [
        "train", "--data", "s3://b/x", "--instance-type", "ml.g55.xlarge", "--output", "s3://b/y", "--dry-run",
        "--role", "arn:aws:iam::123456789012:role/r", "--image", "i", "--state", str(tmp_path),
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "instance type 'ml.g55.xlarge'; is it 'ml.g5.xlarge'?" in done.stderr
    assert "region of SageMaker 'eu-wset-1'; is it 'eu-west-1'?" in done.stderr


@pytest.mark.parametrize("more", [["train"], ["tune", "--jobs", "3", "--range", "lr=0.1:1"], ["deploy"]])
def test_a_price_is_told_without_an_account(more: list[str], tmp_path: Path) -> None:
    data = ["--model", "s3://b/m.tar.gz"] if more == ["deploy"] else ["--data", "s3://b/x", "--output", "s3://b/y"]
    done = CliRunner().invoke(root, [
        *more, *data, "--instance-type", "ml.g5.xlarge", "--dry-run", "--region", "us-east-1", "--image", "i",
        "--role", "arn:aws:iam::123456789012:role/r", "--state", str(tmp_path),
    ])  # fmt: skip
    assert done.exit_code == 0 and json.loads(done.stdout)
    assert "Cost: " in done.stderr and "ml.g5.xlarge" in done.stderr and "$" in done.stderr


def test_what_is_known_is_not_told() -> None:
    assert not any(map(type_remark, ("ml.g5.xlarge", "ml.t2.medium", "ml.p5.48xlarge")))
    assert not any(map(region_remark, ("eu-west-1", "cn-north-1", "us-gov-west-1")))
    assert type_remark("ml.zz9.plural").endswith("is it newer than botocore?")
