"""SageMaker's own words that both the verbs and the local door go by."""

from __future__ import annotations

import re
from typing import Any

# A search's training jobs are called after it, with a number and eight hexadecimal digits.
TRIAL_NAME = re.compile(r"(?P<search>.+)-(?P<number>\d{3,})-[0-9a-f]{8}")

# How packed models end; what ends otherwise is a folder or a prefix.
PACKED = (".tar.gz", ".tgz")

# A role's ARN; its name with the path before it.
ROLE_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/(?P<name>\S+)", re.ASCII)

# CloudWatch's groups of logs; an endpoint's is followed by its name.
TRAINING_GROUP = "/aws/sagemaker/TrainingJobs"
TRANSFORM_GROUP = "/aws/sagemaker/TransformJobs"
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/"

# A training job's statuses that it stays in.
TRAINING_ENDED = ("Completed", "Failed", "Stopped")

# A hyperparameter tuning job's.
TUNING_ENDED = ("Completed", "Failed", "Stopped")

# A batch transform job's.
TRANSFORM_ENDED = ("Completed", "Failed", "Stopped")


def default_bucket(region: str, account: str) -> str:
    """The bucket that AWS's own SDK makes for an account."""
    return f"sagemaker-{region}-{account}"


def model_uri(container: dict[str, Any]) -> str:
    """Where a container's model lies, packed or not; "" for a container without one."""
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return str(container.get("ModelDataUrl") or source.get("S3Uri", ""))
