"""What there is: every job and endpoint of a door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from launcher.doors import Door
from launcher.sagemaker import TRAINING_ENDED


def everything(door: Door, *, limit: int = 100) -> list[dict[str, Any]]:
    """Rows of kind, name, status, created and age in seconds; newest first, endpoints before jobs."""
    rows = [
        _row("endpoint", each, each["EndpointName"], each["EndpointStatus"])
        for each in _all(door.sagemaker.list_endpoints, "Endpoints", limit)
    ]
    rows += [
        _row("training job", each, each["TrainingJobName"], each["TrainingJobStatus"])
        for each in _all(door.sagemaker.list_training_jobs, "TrainingJobSummaries", limit)
    ]
    return rows


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


def _all(call: Callable[..., dict[str, Any]], key: str, limit: int) -> Iterator[dict[str, Any]]:
    left = limit
    more: dict[str, str] = {}
    while left > 0:
        answer = call(SortBy="CreationTime", SortOrder="Descending", MaxResults=min(100, left), **more)
        yield from answer[key]
        left -= len(answer[key])
        if not answer.get("NextToken"):
            return
        more = {"NextToken": answer["NextToken"]}
