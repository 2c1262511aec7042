"""Whether AWS credentials are set up here, found out without a call to anywhere."""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
              "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # fmt: skip


def credentials_found() -> bool:
    """By variables or files alone: boto3's own search may ask the metadata service of an EC2 machine."""
    files = (
        Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser(),
        Path(os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser(),
    )
    return any(os.environ.get(name) for name in _VARIABLES) or any(file.is_file() for file in files)
