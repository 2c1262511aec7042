"""Telling the truth about a resource whose supervisor was killed, and sweeping up what it left."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from contextlib import suppress
from pathlib import Path

from launcher.errors import LauncherError
from launcher.local import engines, store
from launcher.local.processes import reap
from launcher.local.records import (
    EndpointRecord,
    TrainingRecord,
    TransformRecord,
    TuningRecord,
    abandoned,
    supervisor_of,
)
from launcher.local.settings import Settings
from launcher.local.store import Document
from launcher.sagemaker import TRAINING_ENDED, TRANSFORM_ENDED, TUNING_ENDED

_REASON = (
    "The local supervisor of this {what} ended before its work did (was it killed, or the machine restarted?); {remedy}"
)


def training_document(folder: Path, *, clock: Callable[[], float] = time.time) -> Document | None:
    """The job's record, made final first when nobody looks after an unfinished job any more."""
    remedy = "start the job again with the same --checkpoints folder to go on from its last checkpoint."
    document = _final(folder, "TrainingJobStatus", TRAINING_ENDED, clock=clock, lost=_lost("job", remedy),
                      record=lambda _: TrainingRecord(folder, clock=clock))  # fmt: skip
    stopping = document is not None and document["TrainingJobStatus"] == "Stopping"
    return {**document, "SecondaryStatus": "Stopping"} if document and stopping else document


def transform_document(folder: Path, *, clock: Callable[[], float] = time.time) -> Document | None:
    """The batch transform job's record likewise."""
    remedy = "transform again with the same --output and --resume to go on."
    return _final(folder, "TransformJobStatus", TRANSFORM_ENDED, clock=clock, lost=_lost("job", remedy),
                  record=lambda _: TransformRecord(folder, clock=clock))  # fmt: skip


def tuning_document(folder: Path, *, clock: Callable[[], float] = time.time) -> Document | None:
    """The search's record likewise. Its trials have supervisors of their own, and go on."""
    remedy = f"`launch.py tune --resume {folder.name}` goes on with it, and loses no trial."
    return _final(folder, "HyperParameterTuningJobStatus", TUNING_ENDED, clock=clock, lost=_lost("search", remedy),
                  record=lambda last: TuningRecord(folder, clock=lambda: float(last["LastModifiedTime"])))  # fmt: skip


def _lost(what: str, remedy: str) -> str:
    return "InternalServerError: " + _REASON.format(what=what, remedy=remedy)


def _final(
    folder: Path,
    member: str,
    ended: Container[str],
    *,
    clock: Callable[[], float],
    lost: str,
    record: Callable[[Document], TrainingRecord | TransformRecord | TuningRecord],
) -> Document | None:
    """The record in ``folder``, whose status is ``member``; failed for the reason ``lost`` when it was abandoned.

    ``record`` opens it, given what it was last.
    """
    document = store.read_json(folder / store.RECORD)
    if document is None or document[member] in ended:
        return document
    if not abandoned(folder, document["CreationTime"], now=clock()):
        return {**document, member: "Stopping"} if (folder / store.STOP).exists() else document
    with store.locked(folder / "lock"):
        # The supervisor may have written its last word just before it ended.
        document = store.read_json(folder / store.RECORD)
        if document is None or document[member] in ended:
            return document
        # Of a search nothing is left but trials, which go on.
        sweep(folder)
        opened = record(document)
        opened.end("Failed", reason=lost)
        return opened.document


def endpoint_document(folder: Path, *, clock: Callable[[], float] = time.time) -> Document | None:
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


def present(folder: Path, read: Callable[..., Document | None], clock: Callable[[], float]) -> Document | None:
    """What ``read``, one of the above, tells of the resource in ``folder``; None where it is gone."""
    supervisor = supervisor_of(folder)
    if supervisor is not None:
        reap(supervisor.pid)
    with suppress(FileNotFoundError):
        return read(folder, clock=clock)
    return None
