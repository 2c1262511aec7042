"""A resource's record: the part of describe's answer that changes, written by its supervisor alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.local import store
from launcher.local.processes import Handle

# After this long without a supervisor a new resource will not get one any more.
BIRTH_SECONDS = 30.0

MAX_REASON = 1024


def new_training_record(now: float) -> dict[str, Any]:
    """The record of a job just created."""
    return {
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "CreationTime": now,
        "LastModifiedTime": now,
        "SecondaryStatusTransitions": [
            {"Status": "Starting", "StartTime": now, "StatusMessage": "Starting the training job"}
        ],
    }


class TrainingRecord:
    """Moves a training job's record from state to state."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / store.RECORD
        self._clock = clock
        self.document: dict[str, Any] = store.read_json(self.path) or new_training_record(clock())

    def move(self, secondary: str, message: str) -> None:
        """Enter a secondary status, or say more about the present one."""
        now = self._clock()
        transitions = self.document["SecondaryStatusTransitions"]
        if transitions[-1]["Status"] == secondary:
            transitions[-1]["StatusMessage"] = message
        else:
            transitions[-1]["EndTime"] = now
            transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})
        self.document["SecondaryStatus"] = secondary
        if secondary == "Training":
            self.document.setdefault("TrainingStartTime", now)
        self._save(now)

    def metrics(self, last: dict[str, tuple[float, float]]) -> None:
        """Note the last value and time of each metric."""
        self.document["FinalMetricDataList"] = [
            {"MetricName": name, "Value": value, "Timestamp": moment} for name, (value, moment) in last.items()
        ]
        self._save(self._clock())

    def artifacts(self, uri: str) -> None:
        """Note where model.tar.gz lies."""
        self.document["ModelArtifacts"] = {"S3ModelArtifacts": uri}

    def end(self, status: str, *, secondary: str | None = None, message: str = "", reason: str = "") -> None:
        """Enter a final state."""
        now = self._clock()
        started = self.document.get("TrainingStartTime")
        if started is not None:
            self.document["TrainingEndTime"] = now
            # Both begin at 1 in SageMaker's model.
            seconds = max(1, round(now - started))
            self.document["TrainingTimeInSeconds"] = self.document["BillableTimeInSeconds"] = seconds
        if reason:
            self.document["FailureReason"] = reason[:MAX_REASON]
        self.document["TrainingJobStatus"] = status
        self.move(secondary or status, message or reason or f"Training job {status.lower()}")
        self.document["SecondaryStatusTransitions"][-1]["EndTime"] = now
        self._save(now)

    def _save(self, now: float) -> None:
        self.document["LastModifiedTime"] = now
        store.write_json(self.path, self.document)


def new_tuning_record(now: float) -> dict[str, Any]:
    """The record of a search just created."""
    return {
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": now,
        "LastModifiedTime": now,
        "ConsumedResources": {"RuntimeInSeconds": 0},
    }


class TuningRecord:
    """Moves a search's record from state to state; what its trials are stands in their own folders."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / store.RECORD
        self._clock = clock
        self._began = clock()
        self.document: dict[str, Any] = store.read_json(self.path) or new_tuning_record(clock())
        self._spent = float(self.document["ConsumedResources"]["RuntimeInSeconds"])

    def begin(self) -> None:
        """Be in progress, the first time or once more."""
        for member in ("FailureReason", "HyperParameterTuningEndTime"):
            self.document.pop(member, None)
        self.move("InProgress")

    def seconds(self) -> float:
        """How long the search has run, its earlier runs included."""
        return self._spent + self._clock() - self._began

    def move(self, status: str) -> None:
        """Enter a status."""
        self.document["HyperParameterTuningJobStatus"] = status
        self.save()

    def end(self, status: str, *, reason: str = "") -> None:
        """Enter a final state."""
        self.document["HyperParameterTuningEndTime"] = self._clock()
        if reason:
            self.document["FailureReason"] = reason[:MAX_REASON]
        self.move(status)

    def save(self) -> None:
        """Write it, with the time spent so far."""
        self.document["ConsumedResources"] = {"RuntimeInSeconds": round(self.seconds())}
        self.document["LastModifiedTime"] = self._clock()
        store.write_json(self.path, self.document)


def new_transform_record(now: float) -> dict[str, Any]:
    """The record of a batch transform job just created."""
    return {"TransformJobStatus": "InProgress", "CreationTime": now, "LastModifiedTime": now}


class TransformRecord:
    """Moves a batch transform job's record from state to state."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / store.RECORD
        self._clock = clock
        self.document: dict[str, Any] = store.read_json(self.path) or new_transform_record(clock())

    def begin(self) -> None:
        """Its machine works for it from now on."""
        self.document["TransformStartTime"] = self._clock()
        self._save()

    def end(self, status: str, *, reason: str = "") -> None:
        """Enter a final state."""
        if "TransformStartTime" in self.document:
            self.document["TransformEndTime"] = self._clock()
        if reason:
            self.document["FailureReason"] = reason[:MAX_REASON]
        self.document["TransformJobStatus"] = status
        self._save()

    def _save(self) -> None:
        self.document["LastModifiedTime"] = self._clock()
        store.write_json(self.path, self.document)


class EndpointRecord:
    """Moves an endpoint's record from state to state."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / store.RECORD
        self._clock = clock
        self.document: dict[str, Any] = store.read_json(self.path) or {}

    def move(self, status: str, *, message: str = "", reason: str = "", **more: Any) -> None:
        """Enter a status."""
        now = self._clock()
        self.document.setdefault("CreationTime", now)
        self.document.update(more, EndpointStatus=status, LastModifiedTime=now)
        # Not part of SageMaker's answer: what the supervisor is at, for whoever watches.
        self.document["StatusMessage"] = message
        if reason:
            self.document["FailureReason"] = reason[:MAX_REASON]
        store.write_json(self.path, self.document)


def supervisor_of(folder: Path) -> Handle | None:
    """The resource's supervisor as noted, or None when none was noted yet."""
    noted = store.read_json(folder / store.SUPERVISOR)
    return Handle(int(noted["pid"]), str(noted["started"])) if noted else None


def abandoned(folder: Path, created: float, *, now: float) -> bool:
    """Whether nobody looks after this resource any more."""
    supervisor = supervisor_of(folder)
    if supervisor is None:
        return now - created > BIRTH_SECONDS
    return not supervisor.alive()
