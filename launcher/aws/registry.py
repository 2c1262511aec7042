"""ECR: where images are pushed to, the repositories that hold them, and what lies there afterwards."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from launcher.errors import AwsError

if TYPE_CHECKING:
    from boto3 import Session
    from mypy_boto3_ecr import ECRClient

# ECR's own name of the user; the password is a token of twelve hours.
USER = "AWS"
UNTAGGED_DAYS = 30
# CreateModel takes this one manifest: no index of several, and none of the OCI's either.
PLAIN_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_MANIFESTS = (
    PLAIN_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


@dataclass(frozen=True)
class Registry:
    """An account's registry in a region; ``domain`` is the partition's, such as amazonaws.com.cn."""

    account: str
    region: str
    domain: str

    @classmethod
    def of(cls, session: Session, account: str) -> Registry:
        """The registry of ``account`` in the session's region."""
        import botocore.session

        partition = session.get_partition_for_region(session.region_name)
        known = botocore.session.get_session().get_data("partitions")["partitions"]
        domain = next(each["outputs"]["dnsSuffix"] for each in known if each["id"] == partition)
        return cls(account, session.region_name, domain)

    @property
    def host(self) -> str:
        """As SageMaker and Docker name it."""
        return f"{self.account}.dkr.ecr.{self.region}.{self.domain}"


def ensure_repository(ecr: ECRClient, name: str) -> bool:
    """Create the repository unless it is there; whether it was created. One that is there keeps its settings."""
    if repository_exists(ecr, name):
        return False
    ecr.create_repository(repositoryName=name, imageScanningConfiguration={"scanOnPush": True})
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(_lifecycle()))
    return True


def repository_exists(ecr: ECRClient, name: str) -> bool:
    """Whether the account has a repository of that name."""
    try:
        ecr.describe_repositories(repositoryNames=[name])
    except ClientError as exc:
        if exc.response["Error"]["Code"] == "RepositoryNotFoundException":
            return False
        raise
    return True


def password(ecr: ECRClient) -> str:
    """A token to log in with as ``USER``."""
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token).decode().partition(":")[2]


def pushed_digest(address: str, repository: str, tag: str, secret: str) -> str:
    """The digest of what was pushed, asked of the registry at ``address``.

    Raises AwsError when it is no plain manifest, which SageMaker would refuse only when a model is created.
    """
    # Docker, too, speaks HTTP without TLS to the loopback interface alone.
    scheme = "http" if address.partition(":")[0] in ("127.0.0.1", "localhost") else "https"
    credentials = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    request = urllib.request.Request(
        f"{scheme}://{address}/v2/{repository}/manifests/{tag}",
        headers={"Accept": ", ".join(_MANIFESTS), "Authorization": f"Basic {credentials}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60, context=_trust() if scheme == "https" else None) as answer:
            kind, manifest = answer.headers.get_content_type(), answer.read()
    except (urllib.error.URLError, TimeoutError) as exc:
        raise AwsError(f"{repository}:{tag} was pushed to {address}, which now does not show it ({exc}).") from exc
    if kind != PLAIN_MANIFEST:
        raise AwsError(
            f"{repository}:{tag} was pushed as {kind}, which SageMaker refuses; build it with --provenance=false "
            "--output type=docker, as build_and_push.sh does where `docker build` knows these options."
        )
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def _lifecycle() -> dict[str, Any]:
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"Images without a tag go after {UNTAGGED_DAYS} days",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": UNTAGGED_DAYS,
                },
                "action": {"type": "expire"},
            }
        ]
    }


def _trust() -> ssl.SSLContext:
    """Boto3's own variable for a company's certificates counts here too."""
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
