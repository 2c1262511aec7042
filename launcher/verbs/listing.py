"""What there is: every endpoint, search, training job and batch transform job of a door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from launcher.aws.ledger import Resource
from launcher.doors import Door
from launcher.sagemaker import TRAINING_ENDED
from launcher.verbs.named import is_forbidden, is_missing
from launcher.verbs.transforms import UNSEEN
from launcher.verbs.tuning import search_of

LIMIT = 100
# What a recorded resource is called that AWS no longer has, or has in another account.
GONE = "gone"
PARTS = ("model", "endpoint configuration")
# The call that describes a kind, its name there, and where its status stands.
_LOOKS = {
    "training job": ("describe_training_job", "TrainingJobName", "TrainingJobStatus"),
    "tuning job": ("describe_hyper_parameter_tuning_job", "HyperParameterTuningJobName", None),
    "transform job": ("describe_transform_job", "TransformJobName", "TransformJobStatus"),
    "endpoint": ("describe_endpoint", "EndpointName", "EndpointStatus"),
    "model": ("describe_model", "ModelName", None),
    "endpoint configuration": ("describe_endpoint_config", "EndpointConfigName", None),
}
# AWS gives so many at once at most.
_PAGE = 100


@dataclass(frozen=True)
class Listing:
    """Rows of kind, name, status, created and age in seconds; newest first, endpoints before searches before jobs.

    A search's row has also the number of its trials.
    """

    rows: list[dict[str, Any]]
    # Whether there are more than were asked for.
    more: bool
    # What the credentials may not see, in a sentence; empty where that is nothing.
    unseen: str = ""


def everything(door: Door, *, limit: int = LIMIT, trials: bool = False) -> Listing:
    """The newest ``limit`` endpoints, as many searches, training jobs, and batch transform jobs.

    The jobs of a listed search, its trials, are left out unless ``trials``.
    """
    client = door.sagemaker
    endpoints, more_endpoints = _newest(client.list_endpoints, "Endpoints", limit)
    searches, more_searches = _newest(
        client.list_hyper_parameter_tuning_jobs, "HyperParameterTuningJobSummaries", limit
    )
    folded = set() if trials else {each["HyperParameterTuningJobName"] for each in searches}
    jobs, more_jobs = _newest(
        client.list_training_jobs, "TrainingJobSummaries", limit,
        keep=lambda job: search_of(job["TrainingJobName"]) not in folded,
    )  # fmt: skip
    unseen = ""
    try:
        batches, more_batches = _newest(client.list_transform_jobs, "TransformJobSummaries", limit)
    except ClientError as exc:
        if not is_forbidden(exc):
            raise
        batches, more_batches, unseen = [], False, UNSEEN
    rows = [_row("endpoint", each, each["EndpointName"], each["EndpointStatus"]) for each in endpoints]
    rows += [_search_row(each) for each in searches]
    rows += [_row("training job", each, each["TrainingJobName"], each["TrainingJobStatus"]) for each in jobs]
    rows += [_row("transform job", each, each["TransformJobName"], each["TransformJobStatus"]) for each in batches]
    return Listing(rows, more_endpoints or more_searches or more_jobs or more_batches, unseen)


def recorded(door: Door, resources: Sequence[Resource], *, limit: int = LIMIT) -> Listing:
    """What was started from here, as it stands: each resource looked up, the newest ``limit`` of them.

    Models and configurations are left out while the endpoint or the transform job they were made for is there.
    """
    looked = {each: _found(door, each) for each in resources if each.kind == "endpoint"}
    serving = {each.name for each, row in looked.items() if row["status"] != GONE}
    serving |= {each.name for each in resources if each.kind == "transform job"}
    shown = [each for each in resources if each.kind not in PARTS or not {each.endpoint, each.transform} & serving]
    newest = sorted(shown, key=lambda each: each.time, reverse=True)
    rows, unseen = [], ""
    for each in newest[:limit]:
        try:
            rows.append(looked.get(each) or _found(door, each))
        except ClientError as exc:
            if each.kind != "transform job" or not is_forbidden(exc):
                raise
            unseen = UNSEEN
    return Listing(rows, len(newest) > limit, unseen)


def _found(door: Door, resource: Resource) -> dict[str, Any]:
    describe, key, status = _LOOKS[resource.kind]
    try:
        found = getattr(door.sagemaker, describe)(**{key: resource.name})
    except ClientError as exc:
        if not is_missing(exc):
            raise
        return {"kind": resource.kind, "name": resource.name, "status": GONE,
                "created": datetime.fromisoformat(resource.time), "seconds": 0}  # fmt: skip
    if resource.kind == "tuning job":
        return _search_row(found)
    return _row(resource.kind, found, resource.name, found[status] if status else "there")


def _search_row(summary: dict[str, Any]) -> dict[str, Any]:
    row = _row("tuning job", summary, summary["HyperParameterTuningJobName"], summary["HyperParameterTuningJobStatus"])
    return {**row, "trials": sum(summary["TrainingJobStatusCounters"].values())}


def _row(kind: str, summary: dict[str, Any], name: str, status: str) -> dict[str, Any]:
    created: datetime = summary["CreationTime"]
    # A job that failed before it trained has no end of training.
    ends = ("TrainingEndTime", "HyperParameterTuningEndTime", "TransformEndTime")
    ended: datetime = next((summary[key] for key in ends if summary.get(key)), None) or (
        summary.get("LastModifiedTime", created) if status in TRAINING_ENDED else datetime.now(UTC)
    )  # fmt: skip
    return {
        "kind": kind,
        "name": name,
        "status": status,
        "created": created,
        "seconds": round((ended - created).total_seconds()),
    }


def _newest(
    call: Callable[..., dict[str, Any]],
    key: str,
    limit: int,
    keep: Callable[[dict[str, Any]], bool] | None = None,
) -> tuple[list[dict[str, Any]], bool]:
    """The newest ``limit`` summaries of those to keep, and whether there are more of those, or may be."""
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    # Of those that are not kept there may be any number.
    size = _PAGE if keep else min(_PAGE, limit)
    while True:
        answer = call(SortBy="CreationTime", SortOrder="Descending", MaxResults=size, **token)
        found += [each for each in answer[key] if keep is None or keep(each)]
        if len(found) > limit or (len(found) == limit and answer.get("NextToken")):
            return found[:limit], True
        if not answer.get("NextToken"):
            return found, False
        token = {"NextToken": answer["NextToken"]}
