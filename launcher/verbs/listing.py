"""What there is: every job and endpoint of a door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from launcher.doors import Door
from launcher.sagemaker import TRAINING_ENDED

LIMIT = 100
# AWS gives so many at once at most.
_PAGE = 100


@dataclass(frozen=True)
class Listing:
    """Rows of kind, name, status, created and age in seconds; newest first, endpoints before jobs."""

    rows: list[dict[str, Any]]
    # Whether there are more than were asked for.
    more: bool


def everything(door: Door, *, limit: int = LIMIT) -> Listing:
    """The newest ``limit`` endpoints, and as many training jobs."""
    endpoints, more_endpoints = _newest(door.sagemaker.list_endpoints, "Endpoints", limit)
    jobs, more_jobs = _newest(door.sagemaker.list_training_jobs, "TrainingJobSummaries", limit)
    rows = [_row("endpoint", each, each["EndpointName"], each["EndpointStatus"]) for each in endpoints]
    rows += [_row("training job", each, each["TrainingJobName"], each["TrainingJobStatus"]) for each in jobs]
    return Listing(rows, more_endpoints or more_jobs)


def _row(kind: str, summary: dict[str, Any], name: str, status: str) -> dict[str, Any]:
    created: datetime = summary["CreationTime"]
    # A job that failed before it trained has no end of training.
    ended: datetime = summary.get("TrainingEndTime") or (
        summary.get("LastModifiedTime", created) if status in TRAINING_ENDED else datetime.now(UTC)
    )
    return {
        "kind": kind,
        "name": name,
        "status": status,
        "created": created,
        "seconds": round((ended - created).total_seconds()),
    }


def _newest(call: Callable[..., dict[str, Any]], key: str, limit: int) -> tuple[list[dict[str, Any]], bool]:
    """The newest ``limit`` summaries, and whether there are more."""
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        size = min(_PAGE, limit - len(found))
        answer = call(SortBy="CreationTime", SortOrder="Descending", MaxResults=size, **token)
        found += answer[key]
        if not answer.get("NextToken"):
            return found, False
        if len(found) >= limit:
            return found, True
        token = {"NextToken": answer["NextToken"]}
