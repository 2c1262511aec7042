"""Scalars for TensorBoard, where they are asked for: losses, accuracies and learning rates as an event file.

tensorboard=true leaves them in output/data/tensorboard, with the job's other outputs; SageMaker's
TensorBoardOutputConfig (input/config/tensorboardoutputconfig.json) in its LocalPath, which SageMaker copies to S3
while the job runs. The file is written as the job goes: TensorBoard may look at it at any time.

    tensorboard --logdir output/data/tensorboard
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from container.common.errors import ContainerError, StorageError
from container.common.hyperparameters import Hyperparameters
from container.train import storage
from container.train.console import Console
from container.train.paths import Paths
from container.train.rules.lightly import lightly
from container.train.world import World

CONFIG = "tensorboardoutputconfig.json"

# What every reader looks for in the first record.
_VERSION = "brain.Event:2"


class Scalars(Protocol):
    """Told how the training goes."""

    def begin(self, *, anew: bool) -> None:
        """Steps follow; of a training that begins ``anew``, or of one that goes on."""

    def due(self, step: int) -> bool:
        """Whether the loss of the training ``step`` alone is wanted too."""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """``values`` after so many training steps, named as in metrics lines."""


class NoScalars:
    """Nobody asks."""

    def begin(self, *, anew: bool) -> None: ...

    def due(self, step: int) -> bool:
        return False

    def add(self, step: int, values: Mapping[str, float]) -> None: ...


class EventFile:
    """One event file in ``folder``; where it cannot be written, that is a warning, and no more is written.

    Single losses are wanted every so many steps, or never: ``every`` is 0. The folder is emptied of another training's
    files when ``own`` says that it is the job's own.
    """

    def __init__(self, folder: Path, console: Console, *, every: int, own: bool) -> None:
        with lightly():
            from smdebug.core.tfevent.proto.event_pb2 import Event
            from smdebug.core.tfevent.proto.summary_pb2 import Summary
        self._event, self._summary = Event, Summary
        self._folder, self._console, self._every, self._own = folder, console, every, own
        self._path: Path | None = None

    def begin(self, *, anew: bool) -> None:
        try:
            with storage.told(self._folder):
                if anew and self._own and self._folder.exists():
                    shutil.rmtree(self._folder)
                self._folder.mkdir(parents=True, exist_ok=True)
        except (StorageError, OSError) as exc:
            self._console.warn(f"nothing is told to TensorBoard: {exc}")
            return
        # As TensorBoard's own writers name them; one that sorts behind those of the job's earlier starts.
        self._path = self._folder / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._write(self._event(wall_time=time.time(), file_version=_VERSION))

    def due(self, step: int) -> bool:
        return self._path is not None and self._every > 0 and step % self._every == 0

    def add(self, step: int, values: Mapping[str, float]) -> None:
        told = [self._summary.Value(tag=name.replace(":", "/"), simple_value=value) for name, value in values.items()]
        self._write(self._event(wall_time=time.time(), step=step, summary=self._summary(value=told)))

    def _write(self, event: object) -> None:
        if self._path is None:
            return
        try:
            with storage.told(self._path), self._path.open("ab") as file:
                file.write(record(event.SerializeToString()))  # type: ignore[attr-defined]
        except (StorageError, OSError) as exc:
            self._path = None
            self._console.warn(f"no more is told to TensorBoard: {exc}")


def record(data: bytes) -> bytes:
    """A record of TensorFlow's format: its length, the length's checksum, ``data``, and the checksum of that."""
    from smdebug.core.tfrecord.record_writer import masked_crc32c

    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def of_job(paths: Paths, hyperparameters: Hyperparameters, world: World, console: Console) -> Scalars:
    """The event file that was asked for. Raises ContainerError for a configuration that cannot be read."""
    if not world.first:
        return NoScalars()
    folder = _configured(paths)
    if folder is None and not hyperparameters.tensorboard:
        return NoScalars()
    # Of several processes each has a part of the loss, and putting them together at a step would cost it time.
    every = hyperparameters.debug_save_interval if world.size == 1 else 0
    return EventFile(folder or paths.output / "tensorboard", console, every=every, own=folder is None)


def _configured(paths: Paths) -> Path | None:
    """The folder SageMaker's configuration names; None where there is none."""
    path = paths.config / CONFIG
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Path(content.get("LocalPath") or paths.base / "output" / "tensorboard")
    except (OSError, ValueError, AttributeError, TypeError) as exc:
        raise ContainerError(
            f"{path} cannot be read as TensorBoardOutputConfig ({exc}); it must be a JSON object with a LocalPath."
        ) from exc
