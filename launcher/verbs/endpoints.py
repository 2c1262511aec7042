"""Making endpoints, watching them come up, taking them away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from launcher import requests
from launcher.aws.ledger import may_be_made
from launcher.config.run import Endpoint
from launcher.doors import Door
from launcher.errors import AwsError, JobFailed
from launcher.verbs import belongings, named, scaling
from launcher.verbs.logs import LogFollower
from launcher.verbs.named import is_missing, is_taken
from launcher.verbs.remedies import with_remedy
from launcher.verbs.undoing import taken_back

SETTLED = ("InService", "Failed", "OutOfService", "UpdateRollbackFailed")

Description = dict[str, Any]


def start(door: Door, endpoint: Endpoint) -> str:
    """Begin the endpoint, or its next version where it has a revision; `watch` and `finish` see it to its end."""
    return (update if endpoint.revision else deploy)(door, endpoint)


def finish(door: Door, endpoint: Endpoint) -> Description:
    """The description of what `start` began and is in service now, scaled when that was asked for. Raises JobFailed."""
    try:
        description = conclude(door, endpoint.name, config=endpoint.made_as)
    except JobFailed as exc:
        if endpoint.hosting.scaling:
            exc.add_note("Autoscaling was not set up; variants that were scaled and keep names and types still are.")
        raise
    scaling.scale(door, endpoint)
    return description


def deploy(door: Door, endpoint: Endpoint) -> str:
    """Create models, configuration and endpoint; what was made is taken back when a later step is refused."""
    _make(door, endpoint, lambda: door.sagemaker.create_endpoint(**requests.create_endpoint(endpoint)))
    return endpoint.name


def update(door: Door, endpoint: Endpoint) -> str:
    """Create the models and the configuration of an endpoint's next version, and have AWS move to them.

    The version before stays, for AWS goes back to it when the new one does not come up.
    """
    described = describe(door, endpoint.name)
    status = described["EndpointStatus"]
    if status != "InService":
        raise JobFailed(
            f"Endpoint {endpoint.name} is {status}, and only one that is InService can be updated; wait for it "
            f"(`launch.py status {endpoint.name}`), or delete it and deploy anew."
        )
    scaled = scaling.in_the_way(door, endpoint, belongings.variants(door, described["EndpointConfigName"]))

    def move() -> None:
        try:
            scaling.take_off(door, scaled)
            door.sagemaker.update_endpoint(**requests.update_endpoint(endpoint))
        except (ClientError, BotoCoreError) as exc:
            if scaled:
                exc.add_note("Its autoscaling may be off now; deploying with --autoscale sets it up again.")
            raise

    _make(door, endpoint, move)
    return endpoint.name


def _make(door: Door, endpoint: Endpoint, last: Callable[[], object]) -> None:
    client, config = door.sagemaker, endpoint.made_as
    try:
        with taken_back() as made:
            for request in requests.create_models(endpoint):
                client.create_model(**request)
                name = request["ModelName"]
                made.append((f"model {name}", partial(client.delete_model, ModelName=name)))
            client.create_endpoint_config(**requests.create_endpoint_config(endpoint))
            made.append((f"endpoint configuration {config}", partial(client.delete_endpoint_config,
                                                                     EndpointConfigName=config)))  # fmt: skip
            last()
    except ClientError as refusal:
        # The models are made first, and have the endpoint's name.
        first = not made and not endpoint.revision and is_taken(refusal) and not may_be_made(refusal)
        if first and exists(door, endpoint.name):
            raise AwsError(
                f"Endpoint names must be unique: {endpoint.name} exists already; choose another --name, or "
                "delete that one first."
            ) from refusal
        raise


def describe(door: Door, name: str) -> Description:
    """The endpoint's description. Raises NotFound."""
    return named.describe(door.sagemaker.describe_endpoint, "endpoint", EndpointName=name)


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


def conclude(door: Door, name: str, *, config: str | None = None, last_lines: int = 5) -> Description:
    """The description of an endpoint in service; raises JobFailed with the reason and the log's end otherwise.

    ``config`` is the configuration that an update asked for: with another one the update was taken back.
    """
    description = describe(door, name)
    serves = description["EndpointConfigName"]
    if description["EndpointStatus"] == "InService" and config in (None, serves):
        return description
    reason = with_remedy(description.get("FailureReason", "No reason was given."))
    if description["EndpointStatus"] == "InService":
        reason = f"It was taken back from {config} to {serves}, which serves as before. {reason}"
    tail = [line for line in LogFollower.of_endpoint(door.logs, name).lines() if line.strip()][-last_lines:]
    said = "".join(f"\n  {line}" for line in tail)
    what = "was not updated" if description["EndpointStatus"] == "InService" else f"is {description['EndpointStatus']}"
    raise JobFailed(f"Endpoint {name} {what}. {reason}{said}")


@dataclass(frozen=True)
class Deletion:
    """What was deleted, and what belonged to the endpoint and was kept."""

    gone: list[str]
    kept: list[str]


def delete(door: Door, name: str, *, sleep: Callable[[float], None] = time.sleep) -> Deletion:
    """Delete an endpoint with the configurations and models that are its own, and wait until it is gone."""
    client = door.sagemaker
    description = describe(door, name)
    found = belongings.of_endpoint(door, name, serving=description["EndpointConfigName"])
    kept = [
        *found.others,
        *scaling.unscale(door, name, {each["VariantName"] for each in description.get("ProductionVariants", [])}),
    ]
    if description["EndpointStatus"] != "Deleting":
        client.delete_endpoint(EndpointName=name)
    gone = [f"endpoint {name}"]
    for config in found.configs:
        if _unless_missing(partial(client.delete_endpoint_config, EndpointConfigName=config)):
            gone.append(f"endpoint configuration {config}")
    for model in found.models:
        if _unless_missing(partial(client.delete_model, ModelName=model)):
            gone.append(f"model {model}")
    while exists(door, name):
        sleep(door.interval)
    return Deletion(gone, kept)


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
    return named.exists(partial(describe, door, name))
