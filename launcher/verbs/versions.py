"""An endpoint that is there, in the words that made it, so that its next version differs by what is asked for alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launcher.config.managed import OWN_TAGS
from launcher.config.run import ALL_TRAFFIC
from launcher.doors import Door
from launcher.errors import ConfigError, NotFound
from launcher.verbs import endpoints

# Of an instance; a serverless endpoint has none of them.
_MACHINES = ("instance_type", "startup_timeout")


@dataclass(frozen=True)
class Serving:
    """What an endpoint serves and how, by the names of launcher.config.words.DeployWords."""

    model_data: str
    words: Mapping[str, Any]
    hosting: Mapping[str, Any]

    def beneath(self, words: Mapping[str, Any], hosting: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Words and hosting words as given on a line, and as it is now where the line says nothing."""
        ours = {key: value for key, value in self.words.items() if "serverless" not in hosting or key not in _MACHINES}
        found = {**ours, **{key: value for key, value in words.items() if value is not None}}
        found["environment"] = {**self.words["environment"], **words["environment"]}
        tags = {**self.hosting.get("tags", {}), **hosting.get("tags", {})}
        return found, {**self.hosting, **hosting, **({"tags": tags} if tags else {})}


def standing(door: Door, name: str) -> dict[str, int] | None:
    """The instances of each variant, 0 of a serverless one; None where there is no such endpoint."""
    try:
        described = endpoints.describe(door, name)
    except NotFound:
        return None
    return {
        each["VariantName"]: each.get("DesiredInstanceCount", 0) for each in described.get("ProductionVariants", [])
    }


def serving(door: Door, name: str) -> Serving:
    """How the endpoint is made. Raises NotFound, and ConfigError for one that is not of one model."""
    described = endpoints.describe(door, name)
    config = door.sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    variants = config["ProductionVariants"]
    if [each["VariantName"] for each in variants] != [ALL_TRAFFIC] or "ModelName" not in variants[0]:
        raise _not_one_model(name)
    model = door.sagemaker.describe_model(ModelName=variants[0]["ModelName"])
    container = model.get("PrimaryContainer", {})
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    model_data = container.get("ModelDataUrl") or source.get("S3Uri")
    if not model_data or container.get("Mode") == "MultiModel":
        raise _not_one_model(name)
    words = {
        "image": container.get("Image"),
        "role": model["ExecutionRoleArn"],
        "environment": container.get("Environment", {}),
        "instance_type": variants[0].get("InstanceType"),
        "startup_timeout": variants[0].get("ContainerStartupHealthCheckTimeoutInSeconds"),
    }
    if "ServerlessConfig" in variants[0]:
        words |= dict.fromkeys(_MACHINES)
    return Serving(str(model_data), words, _hosting(door, model, config))


def _hosting(door: Door, model: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    network, capture = model.get("VpcConfig", {}), config.get("DataCaptureConfig", {})
    serverless = config["ProductionVariants"][0].get("ServerlessConfig")
    tags = {each["Key"]: each["Value"] for each in _tags(door, config) if not each["Key"].startswith("aws:")}
    captures = bool(capture.get("EnableCapture"))
    found = {
        "isolated": model.get("EnableNetworkIsolation"),
        "subnets": tuple(network.get("Subnets", ())),
        "security_groups": tuple(network.get("SecurityGroupIds", ())),
        "kms_key": config.get("KmsKeyId"),
        "serverless": serverless and f"{serverless['MemorySizeInMB']}:{serverless['MaxConcurrency']}",
        "capture": capture["InitialSamplingPercentage"] if captures else None,
        "capture_to": capture["DestinationS3Uri"] if captures else None,
        "tags": {key: value for key, value in tags.items() if key == "preset" or key not in OWN_TAGS},
    }
    return {key: value for key, value in found.items() if value}


def _tags(door: Door, config: dict[str, Any]) -> list[dict[str, str]]:
    tags: list[dict[str, str]] = door.sagemaker.list_tags(ResourceArn=config["EndpointConfigArn"])["Tags"]
    return tags


def _not_one_model(name: str) -> ConfigError:
    return ConfigError(
        f"Endpoint {name} does not serve one model of its own, into which --code could be put; name the model with "
        "--job or --model."
    )
