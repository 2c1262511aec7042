"""`launch.py doctor --aws`: each line is ok or says what to do, whatever the account lacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner
from moto import mock_aws

from launcher.aws import images
from launcher.aws.policies import find_scope, trust
from launcher.aws.registry import PLAIN_MANIFEST
from launcher.cli.root import root
from launcher.verbs.account import Wanted, examine_account
from launcher.verbs.doctor import Finding
from tests.account import ACCOUNT, REGION

NO_ENGINE = {"PATH": "/nowhere"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/sage"
SCOPE = find_scope(role=ROLE, bucket="photos", prefix="byoc", region=REGION, account=None)
Look = Callable[..., dict[str, Finding]]


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "SAGEMAKER_ROLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SAGEMAKER_USER_CONFIG_OVERRIDE", "SAGEMAKER_ADMIN_CONFIG_OVERRIDE"):
        monkeypatch.setenv(name, "/none")


@pytest.fixture
def session() -> Iterator[boto3.Session]:
    with mock_aws():
        yield boto3.Session(region_name=REGION)


@pytest.fixture
def look(session: boto3.Session, tmp_path: Path) -> Look:
    """Examine the account; findings by their subject."""

    def examine(*, clients: Any = None, **wanted: Any) -> dict[str, Finding]:
        found = examine_account(Wanted(state=tmp_path, region=REGION, **wanted), NO_ENGINE, clients=clients)
        return {finding.subject: finding for finding in found}

    return examine


def test_an_account_that_has_all_is_told_so_line_by_line(session: boto3.Session, look: Look, tmp_path: Path) -> None:
    document = json.dumps(trust(SCOPE))
    session.client("iam").create_role(RoleName="sage", Path="/team/", AssumeRolePolicyDocument=document)
    session.client("s3").create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": REGION})
    ecr = session.client("ecr")
    for kind in ("train", "serve"):
        ecr.create_repository(repositoryName=f"byoc-{kind}")
        manifest = json.dumps({"schemaVersion": 2, "mediaType": PLAIN_MANIFEST, "config": {"digest": kind}})
        pushed = ecr.put_image(repositoryName=f"byoc-{kind}", imageManifest=manifest)["image"]["imageId"]
        uri = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/byoc-{kind}@{pushed['imageDigest']}"
        images.record(tmp_path, region=REGION, account=ACCOUNT, kind=kind, uri=uri)
    found = look(role=ROLE, bucket="photos")
    assert {subject for subject, finding in found.items() if not finding.ok} == {"building images", "quotas"}
    assert found["role"].message == f"{ROLE} (--role) trusts SageMaker"
    assert found["bucket"].message == "photos can be reached"


def test_an_empty_account_is_told_what_to_do(look: Look) -> None:
    found = look()
    assert found["aws credentials"].ok and REGION in found["aws credentials"].message
    assert "give --role or set SAGEMAKER_ROLE, and `launch.py iam`" in found["role"].message
    assert found["bucket"].message.startswith(f"sagemaker-{REGION}-{ACCOUNT}, the one that the SDK makes, is not there")
    assert f"run `./build_and_push.sh --region {REGION}`" in found["train image"].message
    assert "--instance-type" in found["quotas"].message
    assert [finding.subject for finding in found.values() if finding.weight == "BAD"] == ["role"]


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("sage", "--role is 'sage', which is no role's ARN"),
        ("arn:aws:iam::210987654321:role/sage", "is another account's than 123456789012"),
        (ROLE, "(NoSuchEntity); correct the name, or make it of what `launch.py iam` prints"),
    ],
)
def test_a_role_that_cannot_be_used_is_in_the_way(look: Look, role: str, said: str) -> None:
    finding = look(role=role)["role"]
    assert (finding.ok, finding.weight) == (False, "BAD") and said in finding.message


def test_a_role_that_trusts_others_alone_is_in_the_way(session: boto3.Session, look: Look) -> None:
    document = json.dumps(trust(SCOPE)).replace("sagemaker.amazonaws.com", "ec2.amazonaws.com")
    session.client("iam").create_role(RoleName="sage", Path="/team/", AssumeRolePolicyDocument=document)
    assert "does not let sagemaker.amazonaws.com assume it; give it `launch.py iam" in look(role=ROLE)["role"].message


def test_a_role_that_may_not_be_looked_at_is_no_fault(session: boto3.Session, look: Look) -> None:
    iam = session.client("iam")
    with Stubber(iam) as stub:
        stub.add_client_error("get_role", "AccessDenied")
        finding = look(role=ROLE, clients=lambda name: iam if name == "iam" else session.client(name))["role"]
    assert (finding.ok, finding.weight) == (False, "note") and "may not be looked at" in finding.message


def test_a_bucket_that_is_missing_or_elsewhere_is_in_the_way(session: boto3.Session, look: Look) -> None:
    assert "make it with `aws s3 mb s3://photos --region eu-west-1`" in look(bucket="photos")["bucket"].message
    session.client("s3", region_name="us-east-1").create_bucket(Bucket="far")
    finding = look(bucket="far")["bucket"]
    assert finding.weight == "BAD" and finding.message.startswith("far lies in us-east-1, and a job in eu-west-1")


def test_a_bucket_of_someone_elses_is_named(session: boto3.Session, look: Look) -> None:
    s3 = session.client("s3")
    with Stubber(s3) as stub:
        stub.add_client_error("head_bucket", "403", "Forbidden", 403)
        found = look(bucket="theirs", clients=lambda name: s3 if name == "s3" else session.client(name))
    assert found["bucket"].message.startswith("theirs is another account's, or forbidden to you")


def test_an_image_that_has_gone_from_ecr_is_in_the_way(look: Look, tmp_path: Path) -> None:
    uri = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/byoc-train@sha256:{'0' * 64}"
    images.record(tmp_path, region=REGION, account=ACCOUNT, kind="train", uri=uri)
    finding = look()["train image"]
    assert finding.weight == "BAD" and "(RepositoryNotFoundException); run `./build_and_push.sh" in finding.message


def test_quotas_are_told_and_a_zero_is_named_with_where_to_ask(session: boto3.Session, look: Look) -> None:
    quotas = session.client("service-quotas")
    pages = [
        {"ml.m5.large for training job usage": 4.0, "ml.m5.large for endpoint usage": 2.0, "else": 1.0},
        {"ml.g5.xlarge for training job usage": 0.0, "ml.g5.xlarge for endpoint usage": 1.0},
        {"ml.t2.medium for endpoint usage": 2.0, "ml.t3.large for training job usage": 1.0},
    ]
    with Stubber(quotas) as stub:
        for number, page in enumerate(pages):
            answer: dict[str, Any] = {"Quotas": [{"QuotaName": name, "Value": value} for name, value in page.items()]}
            more = {} if number == len(pages) - 1 else {"NextToken": f"page {number + 1}"}
            stub.add_response("list_service_quotas", {**answer, **more})
        found = look(
            instance_types=("ml.m5.large", "ml.g5.xlarge", "ml.x9.huge", "ml.t2.medium", "ml.t3.large"),
            clients=lambda name: quotas if name == "service-quotas" else session.client(name),
        )
    assert found["quota of ml.m5.large"] == Finding(
        "quota of ml.m5.large", True, "4 for training job usage, 2 for endpoint usage"
    )
    assert not found["quota of ml.g5.xlarge"].ok and "ask for more" in found["quota of ml.g5.xlarge"].message
    assert found["quota of ml.t2.medium"].ok and "for endpoints alone" in found["quota of ml.t2.medium"].message
    assert found["quota of ml.t3.large"].ok and "for training jobs alone" in found["quota of ml.t3.large"].message
    assert "is there such an instance type" in found["quota of ml.x9.huge"].message


def test_refused_credentials_end_the_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    *_, last = examine_account(Wanted(state=tmp_path, region=REGION), NO_ENGINE)
    assert last == Finding(
        "aws credentials", False, "No AWS credentials are found; run `aws configure`, or set AWS_PROFILE.", "BAD"
    )


def test_the_line_of_the_account_follows_those_of_this_machine(session: boto3.Session, tmp_path: Path) -> None:
    words = ["doctor", "--region", REGION, "--bucket", "photos", "--state", str(tmp_path), "--json"]
    session.client("s3").create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": REGION})
    done = CliRunner().invoke(root, words, standalone_mode=False)
    subjects = [line["subject"] for line in json.loads(done.stdout)]
    assert subjects[0] == "python" and subjects[-5:] == ["role", "bucket", "train image", "serve image", "quotas"]
    assert subjects.count("aws credentials") == 1
