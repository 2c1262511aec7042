"""`launch.py iam`: documents that IAM takes, that allow every call made here, and next to nothing else."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from click.testing import CliRunner
from moto import mock_aws

from launcher import doors
from launcher.aws.policies import find_scope, for_caller, for_role, trust
from launcher.cli.root import root
from launcher.errors import ConfigError

LAUNCHER = Path(__file__).parents[2] / "launcher"
SCOPE = find_scope(role="sage", bucket="photos", prefix="byoc", region="eu-west-1", account="123456789012",
                   key="arn:aws:kms:eu-west-1:123456789012:key/1", network=True)  # fmt: skip

# What verbs call, they call by these.
_DOOR: dict[str, type] = {
    "sagemaker": doors.SageMaker, "sagemaker-runtime": doors.Runtime, "logs": doors.Logs,
    "application-autoscaling": doors.AutoScaling,
}  # fmt: skip
# What IAM calls an operation where it does not use the operation's own name.
_SERVICES = {"sagemaker-runtime": "sagemaker", "service-quotas": "servicequotas"}
_ACTIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:UploadFile": "s3:PutObject",
}
# boto3's own methods, which are no operations.
_METHODS = {"upload_file": "UploadFile"}
# Asked without a permission.
_FREE = {"sts:GetCallerIdentity"}
# Not called by us, but for us: by Docker, by SageMaker when it is given a role or tags, by Auto Scaling, by S3.
_CALLED_FOR_US = {
    "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm",
    "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart", "iam:CreateServiceLinkedRole", "iam:PassRole",
    "s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:PutObject", "sagemaker:AddTags",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
}  # fmt: skip


def allowed(document: dict[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def sources() -> Iterator[ast.AST]:
    """The launcher's code that talks to AWS; what is local, or reads open data, asks nobody's permission."""
    for path in LAUNCHER.rglob("*.py"):
        inside = path.relative_to(LAUNCHER)
        if inside.parts[0] != "local" and inside != Path("data/bucket.py"):
            yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def calls() -> dict[str, set[str]]:
    """The methods of AWS's clients that are called: the door's, and of other services all that the code names."""
    made = [node for node in sources() if isinstance(node, ast.Call)]
    named = {_name(node) for node in made}
    words = {(_name(node), each.value) for node in made for each in node.args if isinstance(each, ast.Constant)}
    named |= {value for method, value in words if method in ("get_paginator", "get_waiter")}
    methods = {value: named for method, value in words if method in ("client", "open_client")}
    methods |= {service: {name for name in vars(protocol) if name[0] != "_"} for service, protocol in _DOOR.items()}
    session = botocore.session.get_session()
    found: dict[str, set[str]] = {}
    for service, wanted in methods.items():
        names = {xform_name(name): name for name in session.get_service_model(service).operation_names}
        for method in wanted & {*names, *(_METHODS if service == "s3" else ())}:
            action = f"{_SERVICES.get(service, service)}:{names.get(method) or _METHODS[method]}"
            found.setdefault(method, set()).add(_ACTIONS.get(action, action))
    return found


def test_the_calls_of_the_verbs_are_found() -> None:
    found = {action for actions in calls().values() for action in actions}
    assert {"sagemaker:CreateTrainingJob", "sagemaker:InvokeEndpoint", "s3:GetObject", "ecr:CreateRepository"} <= found


def test_whoever_runs_launch_may_make_every_call_it_makes() -> None:
    may = allowed(for_caller(SCOPE)) | _FREE
    missing = {method: actions for method, actions in calls().items() if not actions & may}
    assert not missing, f"launcher/aws/policies.py allows none of {missing}"


def test_nothing_is_allowed_that_nobody_calls() -> None:
    called = {action for actions in calls().values() for action in actions}
    key = {action for action in allowed(for_caller(SCOPE)) if action.startswith("kms:")}
    assert allowed(for_caller(SCOPE)) - called - key <= _CALLED_FOR_US


def test_every_action_is_one_of_its_services() -> None:
    session = botocore.session.get_session()
    named = {"servicequotas": "service-quotas"}
    for document in (for_role(SCOPE), for_caller(SCOPE)):
        for action in allowed(document):
            prefix, _, name = action.partition(":")
            services = {"sagemaker": ["sagemaker", "sagemaker-runtime"]}.get(prefix, [named.get(prefix, prefix)])
            operations = {each for service in services for each in session.get_service_model(service).operation_names}
            # Permissions without an operation of that name.
            assert name in operations | {"PassRole", "ListBucket", "CreateNetworkInterfacePermission"}, action


@mock_aws
def test_iam_takes_the_documents() -> None:
    iam = boto3.client("iam", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    made = iam.create_role(RoleName="sage", AssumeRolePolicyDocument=json.dumps(trust(SCOPE)))["Role"]
    assert made["AssumeRolePolicyDocument"] == trust(SCOPE)
    for name, document in (("role", for_role(SCOPE)), ("caller", for_caller(SCOPE))):
        text = json.dumps(document, separators=(",", ":"))
        assert len(text) <= 6144, "more than IAM takes for a managed policy"
        arn = iam.create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="sage", PolicyArn=arn)
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        iam.create_policy(PolicyName="broken", PolicyDocument=json.dumps({**for_role(SCOPE), "Version": "2012"}))


def test_nothing_but_what_nobody_can_narrow_is_allowed_everywhere() -> None:
    anywhere = {
        action
        for document in (for_role(SCOPE), for_caller(SCOPE))
        for statement in document["Statement"]
        if statement["Resource"] == "*" and "Condition" not in statement
        for action in statement["Action"]
    }
    services = ("application-autoscaling:", "cloudwatch:", "ec2:", "servicequotas:", "sagemaker:List")
    assert {each for each in anywhere if not each.startswith(services)} == {"ecr:GetAuthorizationToken"}


def test_the_role_is_passed_to_sagemaker_alone_and_by_its_path() -> None:
    # A path of its own may be longer than a name.
    role = "arn:aws-cn:iam::210987654321:role/platform/machine-learning/production/AmazonSageMaker-ExecutionRole-2026"
    scope = find_scope(role=role, bucket=None, prefix="p", region="cn-north-1", account=None)
    (passing,) = [s for s in for_caller(scope)["Statement"] if s["Action"] == ["iam:PassRole"]]
    assert passing["Resource"] == role
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert "arn:aws-cn:s3:::sagemaker-cn-north-1-210987654321" in json.dumps(for_role(scope))
    assert "kms:" not in json.dumps(for_caller(scope)) and "ec2:" not in json.dumps(for_role(scope))


@pytest.mark.parametrize("key", ["foo", "alias/mine", "arn:aws:kms:eu-west-1:123456789012:alias/mine"])
def test_a_key_is_named_by_its_arn(key: str) -> None:
    with pytest.raises(ConfigError, match="--kms-key cannot be"):
        find_scope(role="sage", bucket=None, prefix="p", region=None, account=None, key=key)


def test_documents_are_printed_one_by_one_or_all() -> None:
    words = ["iam", "--region", "eu-west-1", "--account", "123456789012", "--bucket", "photos", "--role", "sage"]
    alone = CliRunner().invoke(root, [*words, "--document", "trust"], standalone_mode=False)
    assert json.loads(alone.stdout) == trust(SCOPE)
    together = CliRunner().invoke(root, words, standalone_mode=False)
    assert list(json.loads(together.stdout)) == ["trust", "role", "caller"]
