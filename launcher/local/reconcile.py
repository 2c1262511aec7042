"""Telling the truth about a resource whose supervisor was killed, and sweeping up what it left."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from launcher.errors import LauncherError
from launcher.local import engines, store
from launcher.local.records import (
    EndpointRecord,
    TrainingRecord,
    TransformRecord,
    TuningRecord,
    abandoned,
    supervisor_of,
)
from launcher.local.settings import Settings
from launcher.sagemaker import TRAINING_ENDED, TRANSFORM_ENDED, TUNING_ENDED

_REASON = (
    "The local supervisor of this {what} ended before its work did (was it killed, or the machine restarted?); {remedy}"
)


def training_document(folder: Path, *, clock: Callable[[], float] = time.time) -> dict[str, Any] | None:
    """The job's record, made final first when nobody looks after an unfinished job any more."""
    document = store.read_json(folder / store.RECORD)
    if document is None or document["TrainingJobStatus"] in TRAINING_ENDED:
        return document
    if not abandoned(folder, document["CreationTime"], now=clock()):
        if (folder / store.STOP).exists():
            document = {**document, "TrainingJobStatus": "Stopping", "SecondaryStatus": "Stopping"}
        return document
    with store.locked(folder / "lock"):
        # The supervisor may have written its last word just before it ended.
        document = store.read_json(folder / store.RECORD)
        if document is None or document["TrainingJobStatus"] in TRAINING_ENDED:
            return document
        sweep(folder)
        record = TrainingRecord(folder, clock=clock)
        remedy = "start the job again with the same --checkpoints folder to go on from its last checkpoint."
        record.end("Failed", reason="InternalServerError: " + _REASON.format(what="job", remedy=remedy))
        return record.document


def transform_document(folder: Path, *, clock: Callable[[], float] = time.time) -> dict[str, Any] | None:
    """The batch transform job's record likewise."""
    document = store.read_json(folder / store.RECORD)
    if document is None or document["TransformJobStatus"] in TRANSFORM_ENDED:
        return document
    if not abandoned(folder, document["CreationTime"], now=clock()):
        return {**document, "TransformJobStatus": "Stopping"} if (folder / store.STOP).exists() else document
    with store.locked(folder / "lock"):
        document = store.read_json(folder / store.RECORD)
        if document is None or document["TransformJobStatus"] in TRANSFORM_ENDED:
            return document
        sweep(folder)
        record = TransformRecord(folder, clock=clock)
        remedy = "transform again with the same --output and --resume to go on."
        record.end("Failed", reason="InternalServerError: " + _REASON.format(what="job", remedy=remedy))
        return record.document


def tuning_document(folder: Path, *, clock: Callable[[], float] = time.time) -> dict[str, Any] | None:
    """The search's record likewise. Its trials have supervisors of their own, and go on."""
    document = store.read_json(folder / store.RECORD)
    if document is None or document["HyperParameterTuningJobStatus"] in TUNING_ENDED:
        return document
    if not abandoned(folder, document["CreationTime"], now=clock()):
        if (folder / store.STOP).exists():
            document = {**document, "HyperParameterTuningJobStatus": "Stopping"}
        return document
    with store.locked(folder / "lock"):
        document = store.read_json(folder / store.RECORD)
        if document is None or document["HyperParameterTuningJobStatus"] in TUNING_ENDED:
            return document
        remedy = f"`launch.py tune --resume {folder.name}` goes on with it, and loses no trial."
        record = TuningRecord(folder, clock=lambda: float(document["LastModifiedTime"]))
        record.end("Failed", reason="InternalServerError: " + _REASON.format(what="search", remedy=remedy))
        return record.document


def endpoint_document(folder: Path, *, clock: Callable[[], float] = time.time) -> dict[str, Any] | None:
    """The endpoint's record likewise; None once it is gone."""
    document = store.read_json(folder / store.RECORD)
    if document is None:
        return None
    stopping = (folder / store.STOP).exists()
    failed = document["EndpointStatus"] == "Failed"
    if not failed and not abandoned(folder, document["CreationTime"], now=clock()):
        return {**document, "EndpointStatus": "Deleting"} if stopping else document
    if failed and not stopping:
        return document
    with suppress(FileNotFoundError), store.locked(folder / "lock"):
        document = store.read_json(folder / store.RECORD)
        if document is None:
            return None
        if stopping:
            sweep(folder)
            store.discard(folder)
            return None
        if document["EndpointStatus"] != "Failed":
            sweep(folder)
            record = EndpointRecord(folder, clock=clock)
            record.move("Failed", reason=_REASON.format(what="endpoint", remedy="delete it and deploy again."))
            document = record.document
    return document


def sweep(folder: Path) -> None:
    """Clean away what the resource's work has left, as far as its engine answers."""
    handles = store.read_json(folder / store.HANDLES)
    settings = store.read_json(folder / store.SETTINGS)
    if handles and settings:
        with suppress(LauncherError):  # no engine answers any more: nothing of it can be running either
            engines.load(Settings.of(settings)).sweep(handles)


def supervised(folder: Path) -> bool:
    """Whether a living supervisor looks after the resource."""
    supervisor = supervisor_of(folder)
    return supervisor is not None and supervisor.alive()
