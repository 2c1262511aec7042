"""Looking over an AWS account: what a job there needs, what there is, what to do about the rest. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from launcher.aws import images, policies
from launcher.aws.role import VARIABLE, assumed_role, find_role
from launcher.aws.session import Identity, identify, open_session, retries
from launcher.errors import LauncherError
from launcher.local.engines.choice import answers, candidates
from launcher.local.engines.images import builder
from launcher.sagemaker import default_bucket
from launcher.verbs.doctor import Finding

# What an instance may be used for, as Service Quotas names it, and the types that there are for it, in botocore's model
# of SageMaker: some are for hosting alone (t2, c5d), some for training (t3). Spot instances are nobody's need.
_USES = {
    "training job usage": "TrainingInstanceType",
    "endpoint usage": "ProductionVariantInstanceType",
    "spot training job usage": None,
}
_FORBIDDEN = ("AccessDenied", "AccessDeniedException", "403")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the account is looked over for; None is what was not said."""

    state: Path
    region: str | None = None
    profile: str | None = None
    role: str | None = None
    bucket: str | None = None
    instance_types: tuple[str, ...] = ()


def examine_account(wanted: Wanted, environment: Mapping[str, str], *, clients: Any = None) -> Iterator[Finding]:
    """All findings, in the order in which they matter; without credentials none but theirs.

    ``clients`` makes a client of a service's name, as a boto3 session does.
    """
    yield _building(environment)
    try:
        session = open_session(wanted.region, wanted.profile)
        identity = identify(session)
    except LauncherError as exc:
        yield Finding("aws credentials", False, str(exc), "BAD")
        return
    except EndpointConnectionError as exc:
        said = f"{_said(exc)}; is there a network, and is --region a region's name?"
        yield Finding("aws credentials", False, said, "BAD")
        return
    except (ClientError, BotoCoreError) as exc:
        yield Finding("aws credentials", False, f"{_said(exc)}; log in again, or run `aws configure`", "BAD")
        return
    yield Finding("aws credentials", True, f"{identity.arn} in {session.region_name}")
    open_client: Callable[[str], Any] = clients or (lambda name: session.client(name, config=retries()))
    yield _role(wanted, identity, lambda: assumed_role(session), open_client("iam"))
    yield _bucket(wanted, identity, session.region_name, open_client("s3"))
    yield from _images(wanted, identity, session.region_name, open_client("ecr"))
    if wanted.instance_types:
        yield from _quotas(wanted.instance_types, open_client("service-quotas"))
    else:
        yield Finding("quotas", False, "not looked at; name what you want to use: --instance-type ml.g5.xlarge")


def _building(environment: Mapping[str, str]) -> Finding:
    for command in candidates(environment):
        if answers(command) is None:
            try:
                client = builder(command)
            except LauncherError as exc:
                return Finding("building images", False, str(exc))
            return Finding("building images", True, f"{' '.join(client)} builds and pushes them")
    return Finding("building images", False, "no container engine answers; build_and_push.sh needs one")


def _role(wanted: Wanted, identity: Identity, assumed: Callable[[], str | None], iam: Any) -> Finding:
    subject = "role"
    try:
        found = find_role(wanted.role, assumed=assumed)
    except LauncherError as exc:
        return Finding(subject, False, str(exc), "BAD")
    if found is None:
        said = f"none is named; give --role or set {VARIABLE}, and `launch.py iam` prints what to make one of"
        return Finding(subject, False, said, "BAD")
    parts = policies.parse_role(found.arn)
    if parts["account"] != identity.account:
        said = f"{found.arn} is another account's than {identity.account}, whose credentials these are; give one of its"
        return Finding(subject, False, said, "BAD")
    try:
        role = iam.get_role(RoleName=parts["name"].rpartition("/")[2])["Role"]
    except ClientError as exc:
        if _code(exc) in _FORBIDDEN:
            return Finding(subject, False, f"{found.arn} may not be looked at; whether SageMaker may assume it is open")
        remedy = "correct the name, or make it of what `launch.py iam` prints"
        return Finding(subject, False, f"{found.arn}: {_said(exc)}; {remedy}", "BAD")
    if not policies.trusts_sagemaker(role["AssumeRolePolicyDocument"]):
        said = f"{found.arn} does not let {policies.SERVICE} assume it; give it `launch.py iam --document trust`"
        return Finding(subject, False, said, "BAD")
    return Finding(subject, True, f"{found.arn} ({found.origin}) trusts SageMaker")


def _bucket(wanted: Wanted, identity: Identity, region: str, s3: Any) -> Finding:
    subject = "bucket"
    name = wanted.bucket or default_bucket(region, identity.account)
    try:
        where = s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", region)
    except ClientError as exc:
        if _code(exc) in _FORBIDDEN:
            return Finding(subject, False, f"{name} is another account's, or forbidden to you; name your own", "BAD")
        if not wanted.bucket:
            said = f"{name}, the one that the SDK makes, is not there; name the one you use: --bucket NAME"
            return Finding(subject, False, said)
        said = f"{name}: {_said(exc)}; make it with `aws s3 mb s3://{name} --region {region}`"
        return Finding(subject, False, said, "BAD")
    if where != region:
        said = f"{name} lies in {where}, and a job in {region} reads from that region alone; name another"
        return Finding(subject, False, said, "BAD")
    return Finding(subject, True, f"{name} can be reached")


def _images(wanted: Wanted, identity: Identity, region: str, ecr: Any) -> Iterator[Finding]:
    recorded = images.recorded(wanted.state, region).get(identity.account, {})
    push = f"run `./build_and_push.sh --region {region}`"
    for kind in images.KINDS:
        subject = f"{kind} image"
        if kind not in recorded:
            if kind != "serve-gpu":
                yield Finding(subject, False, f"none has been pushed to {region} from here; {push}, or give --image")
            continue
        repository, _, digest = recorded[kind].partition("/")[2].partition("@")
        try:
            ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
        except ClientError as exc:
            yield Finding(subject, False, f"{recorded[kind]}: {_said(exc)}; {push} again", "BAD")
        else:
            yield Finding(subject, True, recorded[kind])


def _quotas(instance_types: tuple[str, ...], quotas: Any) -> Iterator[Finding]:
    names = {f"{instance} for {use}" for instance in instance_types for use in _USES}
    found: dict[str, float] = {}
    try:
        for page in quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"):
            found |= {each["QuotaName"]: each["Value"] for each in page["Quotas"] if each["QuotaName"] in names}
    except ClientError as exc:
        yield Finding("quotas", False, f"{_said(exc)}; look at them in the console, under Service Quotas")
        return
    for instance in instance_types:
        values = {use: found.get(f"{instance} for {use}") for use in _USES}
        known = ", ".join(f"{value:g} for {use}" for use, value in values.items() if value is not None)
        subject, wanted = f"quota of {instance}", _wanted(instance)
        if not known:
            yield Finding(subject, False, "AWS names none; is there such an instance type in this region?")
        elif all(values[use] for use in wanted):
            alone = f" (AWS has it for {wanted[0].removesuffix(' usage')}s alone)" if len(wanted) == 1 else ""
            yield Finding(subject, True, known + alone)
        else:
            yield Finding(subject, False, f"{known}; ask for more in the console, under Service Quotas, SageMaker")


def _wanted(instance: str) -> list[str]:
    """The uses that AWS has the instance type for; both of one that is newer than botocore's model."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    there = [use for use, shape in _USES.items() if shape and instance in model.shape_for(shape).metadata["enum"]]
    return there or [use for use, shape in _USES.items() if shape]


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _said(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        detail = error.response["Error"]
        return f"{' '.join(detail['Message'].split()).rstrip('. ')} ({detail['Code']})"
    return " ".join(str(error).split()).rstrip(". ")
