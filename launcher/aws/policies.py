"""IAM documents with no more in them than is used: for the role that SageMaker assumes, and for who runs launch.py.

Actions that AWS lets nobody narrow to a resource stand alone, with `*`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from launcher.errors import ConfigError
from launcher.sagemaker import ROLE_ARN, default_bucket

Document = dict[str, Any]
Statement = dict[str, Any]

SERVICE = "sagemaker.amazonaws.com"
ANY = "*"
_VERSION = "2012-10-17"

_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_PUSH = (
    "ecr:CompleteLayerUpload", "ecr:CreateRepository", "ecr:DescribeImages", "ecr:DescribeRepositories",
    "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:PutLifecyclePolicy", "ecr:UploadLayerPart",
)  # fmt: skip
# What a job in a VPC needs; AWS documents it so, without resources.
_NETWORK = (
    "ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission", "ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
)  # fmt: skip
_KEY = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
# By the resource that an ARN of SageMaker's names.
_SAGEMAKER = {
    "training-job": ("CreateTrainingJob", "DeleteTrainingJob", "DescribeTrainingJob", "StopTrainingJob"),
    "hyper-parameter-tuning-job": (
        "CreateHyperParameterTuningJob", "DeleteHyperParameterTuningJob", "DescribeHyperParameterTuningJob",
        "ListTrainingJobsForHyperParameterTuningJob", "StopHyperParameterTuningJob",
    ),
    "transform-job": ("CreateTransformJob", "DescribeTransformJob", "StopTransformJob"),
    "model": ("CreateModel", "DeleteModel", "DescribeModel"),
    "endpoint-config": ("CreateEndpointConfig", "DeleteEndpointConfig", "DescribeEndpointConfig"),
    # The last is called by autoscaling, with the permissions of whoever registers a target ("Auto scaling
    # prerequisites" in Amazon SageMaker's developer guide).
    "endpoint": (
        "CreateEndpoint", "DeleteEndpoint", "DescribeEndpoint", "InvokeEndpoint", "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
    ),
}  # fmt: skip
_TAGS = ("AddTags", "ListTags")
# An endpoint is made and updated of its configuration: AWS wants these for both.
_OF_CONFIGURATIONS = ("CreateEndpoint", "UpdateEndpoint")
_LISTS = ("ListEndpointConfigs", "ListEndpoints", "ListHyperParameterTuningJobs", "ListModels", "ListTrainingJobs",
          "ListTransformJobs")  # fmt: skip
_SCALING = (
    "application-autoscaling:DeregisterScalableTarget", "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:PutScalingPolicy", "application-autoscaling:RegisterScalableTarget",
)  # fmt: skip
# The alarms of a scaling policy are made with the permissions of whoever makes the policy.
_ALARMS = ("cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm")
_SCALING_SERVICE = "sagemaker.application-autoscaling.amazonaws.com"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What the documents are for; ``*`` where it is not known."""

    role: str
    bucket: str
    prefix: str
    region: str = ANY
    account: str = ANY
    partition: str = "aws"
    key: str | None = None
    network: bool = False

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this region and account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    @property
    def repositories(self) -> str:
        """Those that build_and_push.sh pushes to."""
        return self.arn("ecr", f"repository/{self.prefix}-*")


def find_scope(
    *,
    role: str,
    bucket: str | None,
    prefix: str,
    region: str | None,
    account: str | None,
    key: str | None = None,
    network: bool = False,
) -> Scope:
    """A scope of what is known; ``role`` is a name or an ARN, and the bucket otherwise the one that the SDK makes.

    Raises ConfigError for what can be no name.
    """
    import boto3

    parts = parse_role(role)
    for option, value, pattern, wanted in (
        ("--role", parts.get("name", role), r"([\w+=,.@/-]{0,511}/)?[\w+=,.@-]{1,64}", "a role's name, or its ARN"),
        ("--bucket", bucket, r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket's name alone, without s3:// and prefix"),
        ("--account", account, r"\d{12}", "the account's twelve digits"),
        ("--kms-key", key, r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", "the key's ARN; policies take no alias"),
    ):
        if value is not None and not re.fullmatch(pattern, value, re.ASCII):
            raise ConfigError(f"{option} cannot be {value!r}; give {wanted}.")
    account = account or parts.get("account", ANY)
    region = region or ANY
    partition = parts.get("partition", "aws")
    if region != ANY:
        partition = boto3.Session().get_partition_for_region(region)
    return Scope(
        role=parts.get("name", role),
        bucket=bucket or default_bucket(region, account),
        prefix=prefix,
        region=region,
        account=account,
        partition=partition,
        key=key,
        network=network,
    )


def parse_role(arn: str) -> dict[str, str]:
    """Partition, account and name (with its path) of a role's ARN; nothing of what is none."""
    found = ROLE_ARN.fullmatch(arn)
    return found.groupdict() if found else {}


def trust(scope: Scope) -> Document:
    """Who may assume the role: SageMaker, and for nobody else's account where one's own is known."""
    statement: Statement = {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"}
    if scope.account != ANY:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": scope.account}}
    return _document(statement)


def trusts_sagemaker(document: Document) -> bool:
    """Whether a trust document lets SageMaker assume its role."""
    return any(
        statement.get("Effect") == "Allow"
        and {"sts:AssumeRole", "sts:*", "*"} & set(_listed(statement.get("Action", [])))
        and isinstance(principal := statement.get("Principal"), dict)
        and SERVICE in _listed(principal.get("Service", []))
        for statement in _listed(document.get("Statement", []))
    )


def for_role(scope: Scope) -> Document:
    """What the containers of a job or an endpoint do, and SageMaker for them."""
    groups = ("TrainingJobs*", "TransformJobs*", "Endpoints/*")
    logs = [scope.arn("logs", f"log-group:/aws/sagemaker/{kind}") for kind in groups]
    statements = [
        *_bucket(scope, "s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"),
        _allow("PullImages", _PULL, scope.repositories),
        _allow("LogIntoECR", ("ecr:GetAuthorizationToken",), ANY),
        _allow("WriteLogs", ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams",
                             "logs:PutLogEvents"), *logs),
        {
            **_allow("WriteMetrics", ("cloudwatch:PutMetricData",), ANY),
            "Condition": {"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}},
        },
    ]  # fmt: skip
    if scope.key:
        statements.append(_allow("UseKey", _KEY, scope.key))
    if scope.network:
        statements.append(_allow("JoinNetwork", _NETWORK, ANY))
    return _document(*statements)


def for_caller(scope: Scope) -> Document:
    """What launch.py and build_and_push.sh call."""
    role = f"arn:{scope.partition}:iam::{scope.account}:role/{scope.role}"
    statements = [
        _allow(f"SageMaker{kind.title().replace('-', '')}", [f"sagemaker:{each}" for each in (*actions, *_TAGS)],
               scope.arn("sagemaker", f"{kind}/*"))
        for kind, actions in _SAGEMAKER.items()
    ]  # fmt: skip
    statements += [
        _allow("SageMakerEndpointOfConfiguration", [f"sagemaker:{each}" for each in _OF_CONFIGURATIONS],
               scope.arn("sagemaker", "endpoint-config/*")),
        _allow("SageMakerLists", [f"sagemaker:{each}" for each in _LISTS], ANY),
        {
            **_allow("GiveSageMakerTheRole", ("iam:PassRole",), role),
            "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
        },
        _allow("LookAtTheRole", ("iam:GetRole",), role),
        *_bucket(scope, "s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"),
        _allow("ReadLogs", ("logs:DescribeLogStreams", "logs:GetLogEvents"),
               scope.arn("logs", "log-group:/aws/sagemaker/*")),
        _allow("PushImages", (*_PULL, *_PUSH), scope.repositories),
        _allow("LogIntoECR", ("ecr:GetAuthorizationToken",), ANY),
        _allow("Scale", (*_SCALING, *_ALARMS), ANY),
        {
            **_allow("LetEndpointsScale", ("iam:CreateServiceLinkedRole",), ANY),
            "Condition": {"StringEquals": {"iam:AWSServiceName": _SCALING_SERVICE}},
        },
        _allow("ReadQuotas", ("servicequotas:ListServiceQuotas",), ANY),
    ]  # fmt: skip
    if scope.key:
        statements.append(_allow("UseKey", _KEY, scope.key))
    return _document(*statements)


def _bucket(scope: Scope, *actions: str) -> list[Statement]:
    arn = f"arn:{scope.partition}:s3:::{scope.bucket}"
    return [
        _allow("ListBucket", ("s3:GetBucketLocation", "s3:ListBucket"), arn),
        _allow("UseObjects", actions, f"{arn}/*"),
    ]


def _listed(value: Any) -> list[Any]:
    """IAM writes one thing without the list around it."""
    return value if isinstance(value, list) else [value]


def _allow(name: str, actions: Sequence[str], *resources: str) -> Statement:
    return {
        "Sid": name,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": resources[0] if len(resources) == 1 else list(resources),
    }


def _document(*statements: Statement) -> Document:
    return {"Version": _VERSION, "Statement": list(statements)}
