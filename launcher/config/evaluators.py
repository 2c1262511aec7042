"""The images in which AWS evaluates Debugger's rules: an account a region, all that have Debugger.

evaluator_image("123456789012.dkr.ecr.eu-west-1.amazonaws.com/byoc-train:1")
# "929884845733.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-debugger-rules:latest"
"""

from __future__ import annotations

import re

# As of November 2026, from the SageMaker Python SDK 2.253 (image_uri_config/debugger.json), with which a test compares.
ACCOUNTS = {
    "af-south-1": "314341159256",
    "ap-east-1": "199566480951",
    "ap-northeast-1": "430734990657",
    "ap-northeast-2": "578805364391",
    "ap-northeast-3": "479947661362",
    "ap-south-1": "904829902805",
    "ap-southeast-1": "972752614525",
    "ap-southeast-2": "184798709955",
    "ca-central-1": "519511493484",
    "cn-north-1": "618459771430",
    "cn-northwest-1": "658757709296",
    "eu-central-1": "482524230118",
    "eu-north-1": "314864569078",
    "eu-south-1": "563282790590",
    "eu-west-1": "929884845733",
    "eu-west-2": "250201462417",
    "eu-west-3": "447278800020",
    "me-south-1": "986000313247",
    "sa-east-1": "818342061345",
    "us-east-1": "503895931360",
    "us-east-2": "915447279597",
    "us-gov-west-1": "515509971035",
    "us-west-1": "685455198987",
    "us-west-2": "895741380848",
}
_REPOSITORY = "sagemaker-debugger-rules:latest"
_ECR = re.compile(r"\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z.]+)/")


def evaluator_image(training_image: str) -> str:
    """Where the rules of a job run whose own image is ``training_image``: the same region, for no other can serve it.

    An image that is in no region is this machine's, and so is the answer. Raises ValueError for a region without
    Debugger.
    """
    place = _ECR.match(training_image)
    if place is None:
        return _REPOSITORY
    region = place["region"]
    if region not in ACCOUNTS:
        raise ValueError(f"there is no Debugger in {region}; leave out --aws-debugger to have the rules in the job")
    return f"{ACCOUNTS[region]}.dkr.ecr.{region}.{place['domain']}/{_REPOSITORY}"
