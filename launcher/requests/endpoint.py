"""The requests that make an endpoint (its models, its configuration, itself), update it, and scale it."""

from __future__ import annotations

from typing import Any

from launcher.config.hosting import Variant
from launcher.config.run import ALL_TRAFFIC, Endpoint
from launcher.requests.model import create_model
from launcher.requests.training import tags

# The tag by which an endpoint's models and configurations are known for its own.
OWNER_TAG = "endpoint"
_NAMESPACE, _DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"
# Seconds: between the canary and all the rest, and until the old fleet is ended.
_CANARY_WAIT, _TERMINATION_WAIT = 300, 120


def create_models(endpoint: Endpoint) -> list[dict[str, Any]]:
    """CreateModel's request for each variant."""
    named = zip(endpoint.model_names, endpoint.served, strict=True)
    return [_create_model(endpoint, name, variant) for name, variant in named]


def _create_model(endpoint: Endpoint, name: str, variant: Variant) -> dict[str, Any]:
    return create_model(
        name, image=endpoint.image, role=endpoint.role, model_data=variant.model_data,
        environment=endpoint.environment, shielded=endpoint.hosting, tags=_tags(endpoint), many=endpoint.multi_model,
    )  # fmt: skip


def _tags(endpoint: Endpoint) -> list[dict[str, str]]:
    return tags(endpoint.hosting, **{OWNER_TAG: endpoint.name})


def create_endpoint_config(endpoint: Endpoint) -> dict[str, Any]:
    """CreateEndpointConfig's request."""
    named = zip(endpoint.model_names, endpoint.served, strict=True)
    request: dict[str, Any] = {
        "EndpointConfigName": endpoint.made_as,
        "ProductionVariants": [
            {
                "VariantName": variant.name,
                "ModelName": name,
                "InitialVariantWeight": variant.weight,
                **_machines(endpoint),
            }
            for name, variant in named
        ],
        "Tags": _tags(endpoint),
    }
    if endpoint.hosting.kms_key:
        request["KmsKeyId"] = endpoint.hosting.kms_key
    if endpoint.hosting.capture:
        request["DataCaptureConfig"] = _capture(endpoint)
    return request


def _machines(endpoint: Endpoint) -> dict[str, Any]:
    serverless = endpoint.hosting.serverless
    if serverless:
        return {"ServerlessConfig": {"MemorySizeInMB": serverless.memory, "MaxConcurrency": serverless.concurrency}}
    return {
        "InstanceType": endpoint.instance_type,
        "InitialInstanceCount": endpoint.instance_count,
        "ContainerStartupHealthCheckTimeoutInSeconds": endpoint.startup_timeout,
    }


def _capture(endpoint: Endpoint) -> dict[str, Any]:
    """Requests and answers; pictures are kept as base64, whatever they are said to be."""
    capture = endpoint.hosting.capture
    assert capture is not None
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": capture.percent,
        "DestinationS3Uri": capture.destination,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        **({"KmsKeyId": endpoint.hosting.kms_key} if endpoint.hosting.kms_key else {}),
    }


def create_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """CreateEndpoint's request."""
    return {"EndpointName": endpoint.name, "EndpointConfigName": endpoint.made_as, "Tags": _tags(endpoint)}


def update_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """UpdateEndpoint's request: a new fleet beside the old one, which stays until the new one has proven itself.

    Variants keep their numbers of instances where ``keeps_count`` says so, whatever scaling makes of them until then,
    and never the weights, which the configuration gives anew.
    """
    request: dict[str, Any] = {"EndpointName": endpoint.name, "EndpointConfigName": endpoint.made_as}
    if endpoint.guarded:
        request["DeploymentConfig"] = _deployment(endpoint)
    if endpoint.keeps_count:
        request["RetainAllVariantProperties"] = True
        request["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": "DesiredWeight"}]
    return request


def _deployment(endpoint: Endpoint) -> dict[str, Any]:
    canary, alarms = endpoint.hosting.canary, endpoint.hosting.alarms
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    if canary:
        size = {"Type": "CAPACITY_PERCENT", "Value": canary}
        routing = {"Type": "CANARY", "WaitIntervalInSeconds": _CANARY_WAIT, "CanarySize": size}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": _TERMINATION_WAIT}
    rollback = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]}} if alarms else {}
    return {"BlueGreenUpdatePolicy": policy, **rollback}


def scalable_target(endpoint: str, variant: str = ALL_TRAFFIC) -> dict[str, Any]:
    """What Application Auto Scaling calls a variant's number of instances."""
    return {
        "ServiceNamespace": _NAMESPACE,
        "ResourceId": f"endpoint/{endpoint}/variant/{variant}",
        "ScalableDimension": _DIMENSION,
    }


def register_scalable_targets(endpoint: Endpoint) -> list[dict[str, Any]]:
    """RegisterScalableTarget's request for each variant; none without scaling."""
    scaling = endpoint.hosting.scaling
    if scaling is None:
        return []
    bounds = {"MinCapacity": scaling.minimum, "MaxCapacity": scaling.maximum}
    return [{**scalable_target(endpoint.name, variant.name), **bounds} for variant in endpoint.served]


def put_scaling_policies(endpoint: Endpoint) -> list[dict[str, Any]]:
    """PutScalingPolicy's request for each variant: so many invocations an instance and minute."""
    scaling = endpoint.hosting.scaling
    if scaling is None:
        return []
    tracking = {
        "TargetValue": scaling.target,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    return [
        {
            "PolicyName": f"{endpoint.name}-{variant.name}-invocations",
            "PolicyType": "TargetTrackingScaling",
            **scalable_target(endpoint.name, variant.name),
            "TargetTrackingScalingPolicyConfiguration": tracking,
        }
        for variant in endpoint.served
    ]
