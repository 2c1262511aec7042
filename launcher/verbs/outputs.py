"""What a training job has left in its output.tar.gz, read as a stream, in S3 and here alike."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import PurePosixPath
from typing import IO

from container.common.errors import first_line
from launcher.doors import Door
from launcher.errors import ConfigError, NotFound, UnusableData
from launcher.sagemaker import TRAINING_ENDED
from launcher.verbs.training import Description


def files(door: Door, description: Description, what: str) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Each file of the archive with its path in it; no more is read of the archive than is asked for.

    ``what`` is looked for. Raises ConfigError for a job that still runs, NotFound where there is no archive. A damaged
    one shows when a file is read, or the next is asked for: ``readable`` stands round both.
    """
    name, status = description["TrainingJobName"], description["TrainingJobStatus"]
    if status not in TRAINING_ENDED:
        raise ConfigError(
            f"Training job {name} is {status} and leaves its {what} at its end; `launch.py status {name}` shows how it "
            "stands."
        )
    uri = archive_of(description)
    try:
        archive = door.read(uri)
    except NotFound as exc:
        raise absent(description, what) from exc
    with archive:
        with tarfile.open(fileobj=archive, mode="r|gz") as tar:
            yield from members(tar)


def members(tar: tarfile.TarFile) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Each plain file of an archive with its path in it."""
    for member in tar:
        if member.isfile() and (file := tar.extractfile(member)):
            yield PurePosixPath(member.name), file


@contextmanager
def readable(archive: str, remedy: str) -> Iterator[None]:
    """Tell what a damaged ``archive`` raises, wherever in it one comes to the damage, as UnusableData."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, BadGzipFile) as exc:
        why = first_line(exc).rstrip(":")  # a reason for each compression follows
        raise UnusableData(f"{archive} is not a readable tar.gz ({why}); {remedy}.") from exc


def absent(description: Description, what: str) -> NotFound:
    """The error of a job whose output holds no ``what``."""
    name, status = description["TrainingJobName"], description["TrainingJobStatus"]
    return NotFound(
        f"Training job {name} ({status}) has left no {what} in {archive_of(description)}; "
        f"`launch.py logs {name}` tells what it did."
    )


def archive_of(description: Description) -> str:
    """Where a job's output.tar.gz lies once it has ended."""
    place = description["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    return f"{place}/{description['TrainingJobName']}/output/output.tar.gz"
