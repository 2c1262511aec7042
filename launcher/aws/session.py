"""Who asks AWS, and where: region, profile and credentials as boto3 users expect, each missing one with its remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from launcher.aws.studio import Metadata
from launcher.errors import AwsError

if TYPE_CHECKING:
    from boto3 import Session
    from botocore.config import Config

# The only account, in its own partition, that an ARN of STS speaks of.
_CALLER = re.compile(r"arn:(?P<partition>[^:]+):sts::\d+:assumed-role/(?P<name>[^/]+)/")


@dataclass(frozen=True)
class Identity:
    """Who the credentials say one is: the twelve digits of the account, and the ARN of the user or assumed role."""

    account: str
    arn: str

    @property
    def role(self) -> str | None:
        """The ARN of the role that is assumed, without the path that STS does not tell; None for a user."""
        found = _CALLER.match(self.arn)
        return found and f"arn:{found['partition']}:iam::{self.account}:role/{found['name']}"


def find_region(region: str | None = None, profile: str | None = None) -> str | None:
    """--region, AWS_REGION, the profile's, or the one of the notebook this runs in; None when nothing says."""
    import os

    # Before AWS_DEFAULT_REGION, as in every other SDK of AWS; boto3 alone does not read it.
    return region or os.environ.get("AWS_REGION") or _session(None, profile).region_name or Metadata.read().region


def open_session(region: str | None = None, profile: str | None = None, *, otherwise: str = "") -> Session:
    """A session with region and credentials; calls nothing. Raises AwsError that ends with the remedy ``otherwise``."""
    found = find_region(region, profile)
    if found is None:
        raise AwsError(f"No AWS region is set; add --region, or set AWS_REGION{otherwise}.")
    session = _session(found, profile)
    if session.get_credentials() is None:
        raise AwsError(f"No AWS credentials are found; run `aws configure`, or set AWS_PROFILE{otherwise}.")
    return session


def identify(session: Session) -> Identity:
    """What STS says of the credentials: a call that nobody can be forbidden."""
    answer = session.client("sts", config=retries()).get_caller_identity()
    return Identity(account=answer["Account"], arn=answer["Arn"])


def retries() -> Config:
    """Describe calls in a loop run into throttling, which these retries wait out."""
    from botocore.config import Config

    return Config(retries={"mode": "standard", "max_attempts": 8}, read_timeout=90)


def _session(region: str | None, profile: str | None) -> Session:
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        return boto3.Session(region_name=region, profile_name=profile)
    except ProfileNotFound as exc:
        raise AwsError(
            f"{exc}; name one that `aws configure list-profiles` shows, or add --local to stay on this machine."
        ) from exc
