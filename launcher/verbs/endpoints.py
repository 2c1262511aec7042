"""Making endpoints, watching them come up, taking them away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from launcher import requests
from launcher.config.run import Endpoint
from launcher.doors import Door
from launcher.errors import JobFailed, NotFound
from launcher.verbs.logs import LogFollower
from launcher.verbs.training import is_missing

SETTLED = ("InService", "Failed", "OutOfService")

Description = dict[str, Any]


def deploy(door: Door, endpoint: Endpoint) -> str:
    """Create model, configuration and endpoint; what was made is taken back when a later step is refused."""
    made: list[Callable[[], object]] = []
    client, name = door.sagemaker, endpoint.name
    try:
        client.create_model(**requests.create_model(endpoint))
        made.append(lambda: client.delete_model(ModelName=name))
        client.create_endpoint_config(**requests.create_endpoint_config(endpoint))
        made.append(lambda: client.delete_endpoint_config(EndpointConfigName=name))
        client.create_endpoint(**requests.create_endpoint(endpoint))
    except ClientError:
        for undo in reversed(made):
            undo()
        raise
    return name


def describe(door: Door, name: str) -> Description:
    """The endpoint's description. Raises NotFound."""
    try:
        return door.sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as exc:
        if is_missing(exc):
            raise NotFound(f"There is no endpoint '{name}'; `launch.py status` lists what there is.") from exc
        raise


def watch(door: Door, name: str, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[tuple[str, str]]:
    """Status and message, each time either changes, until the endpoint is in service or has failed."""
    told: tuple[str, str] | None = None
    while True:
        description = describe(door, name)
        now = (description["EndpointStatus"], _message(description))
        if now != told:
            yield now
            told = now
        if now[0] in SETTLED:
            return
        sleep(door.interval)


def _message(description: Description) -> str:
    for variant in description.get("ProductionVariants", []):
        for status in variant.get("VariantStatus", []):
            return str(status.get("StatusMessage", ""))
    return ""


def conclude(door: Door, name: str, *, last_lines: int = 5) -> Description:
    """The description of an endpoint in service; raises JobFailed with the reason and the log's end otherwise."""
    description = describe(door, name)
    if description["EndpointStatus"] == "InService":
        return description
    reason = description.get("FailureReason", "No reason was given.")
    tail = [line for line in LogFollower.of_endpoint(door.logs, name).lines() if line.strip()][-last_lines:]
    said = "".join(f"\n  {line}" for line in tail)
    raise JobFailed(f"Endpoint {name} is {description['EndpointStatus']}. {reason}{said}")


@dataclass(frozen=True)
class Deletion:
    """What was deleted, and what belonged to the endpoint and was kept."""

    gone: list[str]
    kept: list[str]


def delete(door: Door, name: str, *, sleep: Callable[[float], None] = time.sleep) -> Deletion:
    """Delete an endpoint with what `deploy` made for it, and wait until it is gone.

    A configuration or a model of another name than the endpoint's is not of `deploy`'s making, and another
    endpoint may stand on it: it is kept.
    """
    description = describe(door, name)
    config_name = description["EndpointConfigName"]
    models = _models(door, config_name)
    if description["EndpointStatus"] != "Deleting":
        door.sagemaker.delete_endpoint(EndpointName=name)
    gone = [f"endpoint {name}"]
    ours = config_name == name
    if ours and _unless_missing(lambda: door.sagemaker.delete_endpoint_config(EndpointConfigName=name)):
        gone.append(f"endpoint configuration {name}")
    # Only with its own configuration: one that is kept still names its model.
    if ours and name in models and _unless_missing(lambda: door.sagemaker.delete_model(ModelName=name)):
        gone.append(f"model {name}")
    kept = [] if ours else [f"endpoint configuration {config_name}"]
    kept += [f"model {model}" for model in models if not ours or model != name]
    while exists(door, name):
        sleep(door.interval)
    return Deletion(gone, kept)


def _models(door: Door, config_name: str) -> list[str]:
    try:
        config = door.sagemaker.describe_endpoint_config(EndpointConfigName=config_name)
    except ClientError as exc:
        if is_missing(exc):
            return []
        raise
    return [variant["ModelName"] for variant in config["ProductionVariants"] if "ModelName" in variant]


def _unless_missing(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as exc:
        if is_missing(exc):
            return False
        raise
    return True


def exists(door: Door, name: str) -> bool:
    """Whether there is an endpoint of this name."""
    try:
        describe(door, name)
    except NotFound:
        return False
    return True
