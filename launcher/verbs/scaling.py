"""An endpoint's number of instances, chosen by Application Auto Scaling: set up, and taken off again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from launcher import requests
from launcher.config.run import Endpoint
from launcher.doors import Door
from launcher.errors import JobFailed
from launcher.verbs.named import is_forbidden

Target = dict[str, Any]


def scale(door: Door, endpoint: Endpoint) -> None:
    """Have AWS choose the number of instances of an endpoint in service, when that was asked for."""
    if door.autoscaling is None:
        return
    for target in requests.register_scalable_targets(endpoint):
        door.autoscaling.register_scalable_target(**target)
    for policy in requests.put_scaling_policies(endpoint):
        door.autoscaling.put_scaling_policy(**policy)


def in_the_way(door: Door, endpoint: Endpoint, serving: Sequence[dict[str, Any]]) -> list[Target]:
    """What scales the variants ``serving`` whose instance type or name an update changes.

    AWS refuses such an update until it is taken off, policies and all:
    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html. Raises JobFailed unless scaling is
    asked for anew, which is set up of the new version then.
    """
    kept = {variant.name for variant in endpoint.served}
    changed = [
        variant["VariantName"]
        for variant in serving
        if variant["VariantName"] not in kept or variant.get("InstanceType", "") != endpoint.instance_type
    ]
    try:
        found = _targets(door, endpoint.name, changed)
    except ClientError as exc:
        if is_forbidden(exc):
            return []  # then AWS itself refuses what is scaled
        raise
    if found and not endpoint.hosting.scaling:
        raise JobFailed(
            f"Endpoint {endpoint.name} is scaled by {', '.join(found)}, whose instance type or name is to change, "
            "which AWS refuses; add --autoscale MIN:MAX, which takes it off and sets it up again."
        )
    return list(found.values())


def unscale(door: Door, name: str, variants: Iterable[str]) -> list[str]:
    """Have the endpoint's number of instances chosen by nobody any more; what had to stay of that."""
    try:
        found = _targets(door, name, variants)
    except ClientError as exc:
        # Whoever may not look has scaled nothing, which must not stand in the way of deleting.
        if is_forbidden(exc):
            return ["any autoscaling, which these credentials may not see"]
        raise
    take_off(door, list(found.values()))
    return []


def take_off(door: Door, targets: Sequence[Target]) -> None:
    """Let go of what is scaled, and of its policies with it."""
    for target in targets:
        assert door.autoscaling is not None
        door.autoscaling.deregister_scalable_target(**target)


def _targets(door: Door, name: str, variants: Iterable[str]) -> dict[str, Target]:
    """Which of the variants are scaled, and what AWS calls each."""
    wanted = {variant: requests.scalable_target(name, variant) for variant in sorted(variants)}
    if door.autoscaling is None or not wanted:
        return {}
    namespace = next(iter(wanted.values()))["ServiceNamespace"]
    found = door.autoscaling.describe_scalable_targets(
        ServiceNamespace=namespace, ResourceIds=[each["ResourceId"] for each in wanted.values()]
    )["ScalableTargets"]
    there = {each["ResourceId"] for each in found}
    return {variant: target for variant, target in wanted.items() if target["ResourceId"] in there}
