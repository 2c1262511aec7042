"""Region, credentials, role and image are found where SageMaker's users keep them; what is missing is named."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from launcher.aws import images
from launcher.aws.role import assumed_role, find_role
from launcher.aws.session import Identity, find_region, identify, open_session
from launcher.aws.studio import Metadata
from launcher.config import endpoint_config, training_config
from launcher.config.presets import Preset
from launcher.config.words import DeployWords, Place, TrainWords
from launcher.errors import AwsError, ConfigError

ROLE = "arn:aws:iam::123456789012:role/sage"
NOWHERE = {"SAGEMAKER_USER_CONFIG_OVERRIDE": "/none", "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": "/none"}
OUTSIDE = Metadata()


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No account is set up, whoever runs the tests."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "SAGEMAKER_ROLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_region_is_the_flags_then_the_environments_then_the_profiles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_region() is None
    (tmp_path / "aws-config").write_text("[profile work]\nregion = eu-north-1\n")
    assert find_region(profile="work") == "eu-north-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert find_region(profile="work") == "eu-west-3"
    assert find_region("us-east-1", "work") == "us-east-1"


def test_a_session_works_in_the_region_that_aws_region_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    assert open_session().region_name == "eu-west-3"


def test_the_remedy_ends_as_the_caller_wants() -> None:
    with pytest.raises(AwsError, match=r"add --region, or set AWS_REGION, or stay at home\.$"):
        open_session(otherwise=", or stay at home")


def test_a_notebook_knows_its_region_and_role(tmp_path: Path) -> None:
    place = tmp_path / "resource-metadata.json"
    assert Metadata.read(place) == Metadata(inside=False)
    place.write_text(json.dumps({"ResourceArn": "arn:aws:sagemaker:eu-west-1:1:space/x", "ExecutionRoleArn": ROLE}))
    assert Metadata.read(place) == Metadata(inside=True, region="eu-west-1", role=ROLE)
    place.write_text("{")
    with pytest.raises(AwsError, match="give --region and --role"):
        Metadata.read(place)


def test_a_role_is_the_flags_then_the_environments_then_the_sdks_then_the_notebooks(tmp_path: Path) -> None:
    defaults = tmp_path / "config.yaml"
    defaults.write_text(f"SageMaker:\n  Model:\n    ExecutionRoleArn: {ROLE}-sdk\n")
    variables = {**NOWHERE, "SAGEMAKER_ROLE": f"{ROLE}-variable", "SAGEMAKER_USER_CONFIG_OVERRIDE": str(tmp_path)}
    notebook = Metadata(inside=True, role=f"{ROLE}-notebook")

    def found(given: str | None = None) -> str | None:
        role = find_role(given, environment=variables, metadata=notebook)
        return role and role.arn.removeprefix(ROLE)

    assert found(f"{ROLE}-flag") == "-flag"
    assert found() == "-variable"
    del variables["SAGEMAKER_ROLE"]
    assert found() == "-sdk"
    variables["SAGEMAKER_USER_CONFIG_OVERRIDE"] = "/none"
    assert found() == "-notebook"


def test_nobody_is_asked_for_a_role_outside_sagemaker() -> None:
    def asked() -> str:
        raise AssertionError("a call was made")

    assert find_role(None, environment=NOWHERE, metadata=OUTSIDE, assumed=asked) is None


def test_a_notebook_without_its_role_asks_who_it_is() -> None:
    found = find_role(None, environment=NOWHERE, metadata=Metadata(inside=True), assumed=lambda: ROLE)
    assert found is not None and found.arn == ROLE


def test_what_is_no_arn_is_named_with_where_it_stood() -> None:
    with pytest.raises(ConfigError, match=r"SAGEMAKER_ROLE is 'sage', which is no role's ARN; give arn:aws:iam::"):
        find_role(None, environment={**NOWHERE, "SAGEMAKER_ROLE": "sage"}, metadata=OUTSIDE)


@mock_aws
def test_the_role_of_assumed_credentials_has_its_path_back() -> None:
    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    assert assumed_role(session) is None  # a user's credentials
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    made = session.client("iam").create_role(RoleName="sage", Path="/team/", AssumeRolePolicyDocument=trust)
    taken = session.client("sts").assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="tests")["Credentials"]
    as_role = boto3.Session(
        region_name="eu-west-1", aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"], aws_session_token=taken["SessionToken"],
    )  # fmt: skip
    assert identify(as_role).role == "arn:aws:iam::123456789012:role/sage"
    assert assumed_role(as_role) == "arn:aws:iam::123456789012:role/team/sage"


def test_an_identity_in_china_names_its_own_partition() -> None:
    arn = "arn:aws-cn:sts::123456789012:assumed-role/AmazonSageMaker-ExecutionRole-1/SageMaker"
    assert Identity("123456789012", arn).role == "arn:aws-cn:iam::123456789012:role/AmazonSageMaker-ExecutionRole-1"


def train_in(place: Place, **words: str) -> str:
    words = {"data": "s3://b/d", "output": "s3://b/o", "instance_type": "ml.g5.xlarge", "role": ROLE, **words}
    config = training_config(TrainWords(**words), Preset(), place)  # type: ignore[arg-type]
    assert config.training is not None
    return config.training.image


def test_what_was_pushed_is_what_trains_and_serves(tmp_path: Path) -> None:
    for kind in images.KINDS:
        images.record(tmp_path, region="eu-west-1", account="123456789012", kind=kind, uri=f"{kind}@sha256:1")
    place = Place(door="aws", state=tmp_path, region="eu-west-1")
    assert train_in(place) == "train@sha256:1"
    assert train_in(place, image="mine") == "mine"
    with pytest.raises(ConfigError, match="no train image of account 123456789012 has been pushed to us-east-1"):
        train_in(Place(door="aws", state=tmp_path, region="us-east-1"))
    with pytest.raises(ConfigError, match="without a region none can be found; add --region"):
        train_in(Place(door="aws", state=tmp_path))
    for instance_type, image in (("ml.m5.large", "serve@sha256:1"), ("ml.g5.xlarge", "serve-gpu@sha256:1")):
        words = DeployWords(name="e", model_data="s3://b/m.tar.gz", role=ROLE, instance_type=instance_type)
        endpoint = endpoint_config(words, Preset(), place).endpoint
        assert endpoint is not None and endpoint.image == image


def test_the_role_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_ROLE", ROLE)
    words = TrainWords(data="s3://b/d", output="s3://b/o", instance_type="ml.m5.large", image="x")
    training = training_config(words, Preset(), Place(door="aws")).training
    assert training is not None and training.role == ROLE


def test_where_looking_at_roles_is_forbidden_the_consoles_path_is_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "AmazonSageMaker-ExecutionRole-20260101"
    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    clients = {service: session.client(service) for service in ("sts", "iam")}
    monkeypatch.setattr(session, "client", lambda service, **_: clients[service])
    with Stubber(clients["sts"]) as sts, Stubber(clients["iam"]) as iam:
        arn = f"arn:aws:sts::123456789012:assumed-role/{name}/SageMaker"
        sts.add_response("get_caller_identity", {"Account": "123456789012", "Arn": arn})
        iam.add_client_error("get_role", "AccessDenied")
        assert assumed_role(session) == f"arn:aws:iam::123456789012:role/service-role/{name}"
