"""The AWS door: boto3's own clients."""

from launcher.aws.clients import open_aws

__all__ = ["open_aws"]
