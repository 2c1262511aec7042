"""The three requests that make an endpoint: its model, its configuration, itself. All share one name."""

from __future__ import annotations

from typing import Any

from launcher.config.run import Endpoint
from launcher.requests.training import PROJECT_TAG

VARIANT = "AllTraffic"


def create_model(endpoint: Endpoint) -> dict[str, Any]:
    """CreateModel's request."""
    container: dict[str, Any] = {"Image": endpoint.image, **_data(endpoint.model_data)}
    if endpoint.environment:
        container["Environment"] = dict(endpoint.environment)
    return {
        "ModelName": endpoint.name,
        "ExecutionRoleArn": endpoint.role,
        "PrimaryContainer": container,
        "Tags": [PROJECT_TAG],
    }


def _data(uri: str) -> dict[str, Any]:
    """A packed model by its address, an unpacked one as the prefix it is."""
    if uri.endswith((".tar.gz", ".tgz")):
        return {"ModelDataUrl": uri}
    source = {"S3Uri": uri.rstrip("/") + "/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


def create_endpoint_config(endpoint: Endpoint) -> dict[str, Any]:
    """CreateEndpointConfig's request."""
    return {
        "EndpointConfigName": endpoint.name,
        "ProductionVariants": [
            {
                "VariantName": VARIANT,
                "ModelName": endpoint.name,
                "InstanceType": endpoint.instance_type,
                "InitialInstanceCount": endpoint.instance_count,
                "InitialVariantWeight": 1.0,
                "ContainerStartupHealthCheckTimeoutInSeconds": endpoint.startup_timeout,
            }
        ],
        "Tags": [PROJECT_TAG],
    }


def create_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """CreateEndpoint's request."""
    return {"EndpointName": endpoint.name, "EndpointConfigName": endpoint.name, "Tags": [PROJECT_TAG]}
