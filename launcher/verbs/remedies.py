"""What helps when AWS says why something failed: SageMaker's own words, and what to do about them."""

from __future__ import annotations

# The words that tell a reason, and its remedy; the first that is found counts.
_KNOWN: tuple[tuple[tuple[str, ...], str], ...] = (
    (("ResourceLimitExceeded", "service limit", "service quota"),
     "ask for a higher quota (Service Quotas, Amazon SageMaker), or choose another --instance-type"),
    (("CapacityError", "InsufficientInstanceCapacity", "InsufficientCapacity", "provision requested ML compute"),
     "AWS has no such instance left there; try later, or choose another --instance-type, --region or --subnets"),
    (("exec format error", "linux/arm64", "processor architecture"),
     "the image is for another processor; push one for linux/amd64 with ./build_and_push.sh"),
    (("media type", "image index", "manifest list", "image manifest"),
     "the image is no plain manifest; push it again with ./build_and_push.sh"),
    (("repository with name", "does not grant ecr:", "ECR image", "Cannot pull"),
     "see that the image is in ECR in this region and that the role may read it; `launch.py doctor` looks"),
    (("AssumeRole", "assume the role", "assume role", "not authorized", "AccessDenied", "Access denied"),
     "the role lacks a permission or SageMaker's trust; `launch.py iam` prints what it needs"),
    (("No S3 objects found", "NoSuchKey", "NoSuchBucket"),
     "nothing lies there; upload it with `launch.py data push FOLDER s3://…`"),
    (("ping health check",),
     "the server did not come up; its log says why, and --startup-timeout gives it longer"),
    (("spot interruption", "spot instance was interrupted", "spot capacity"),
     "spot instances were taken away; train again with the same --checkpoints to go on, or leave out --spot"),
)  # fmt: skip


def with_remedy(reason: str) -> str:
    """The reason as AWS gave it, and what helps when that is known; what our own container says has its remedy."""
    lower = reason.lower()
    for words, remedy in () if reason.startswith("AlgorithmError") else _KNOWN:
        if any(word.lower() in lower for word in words):
            return f"{reason.rstrip('. ')}; {remedy}."
    return reason
