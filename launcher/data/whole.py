"""Folders that appear whole or not at all: what an interruption leaves half made is never taken for a data set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.data.errors import DatasetError

# The part of the workplace that becomes the destination.
_MADE = "made"


def refuse_full(destination: Path) -> None:
    """Raise DatasetError unless ``destination`` is absent or an empty folder."""
    if destination.exists() and not (destination.is_dir() and not any(destination.iterdir())):
        raise DatasetError(f"{destination} is not empty; give another folder, or remove it first.")


@contextmanager
def workplace(destination: Path) -> Iterator[tuple[Path, Path]]:
    """A folder to work in and, in it, the one that becomes ``destination``; both gone when anything is raised.

    They stand beside the destination, so that files can be linked and the result renamed. Raises DatasetError when the
    destination holds something.
    """
    refuse_full(destination)
    place = destination.resolve()
    work = place.with_name(f".{place.name}.{os.getpid()}")
    made = work / _MADE
    made.mkdir(parents=True)
    try:
        yield work, made
        _settle(made, place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _settle(made: Path, destination: Path) -> None:
    try:
        made.rename(destination)
    except OSError:
        # An empty folder that cannot be replaced, such as the root of a disk of its own; or it was filled meanwhile.
        refuse_full(destination)
        destination.mkdir(exist_ok=True)
        for path in made.iterdir():
            shutil.move(path, destination / path.name)
