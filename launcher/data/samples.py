"""What a layout's reader finds: files with their classes and splits, and what it passes over, with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from container.common import channels
from launcher.data.errors import DatasetError

# What macOS puts beside the files of an archive.
_RESOURCES = "__MACOSX"


class Sample(NamedTuple):
    """One file, its class, and the split its source puts it in (None: not said)."""

    path: Path
    label: str
    split: str | None


@dataclass(frozen=True)
class Choice:
    """Which bins are taken: those of a list, or up to ``most`` items; at most ``per_class`` of each quantity."""

    listed: Path | None = None
    most: int = 5
    per_class: int | None = None
    seed: int = 0


@dataclass
class Found:
    """The files of a source in a fixed order; ``gray`` where its pictures are read as gray.

    ``bad`` are files that are no samples, each with why; ``warnings`` are sentences on what else is odd.
    """

    layout: str
    gray: bool = False
    samples: list[Sample] = field(default_factory=list)
    bad: list[tuple[Path, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def folders_in(root: Path) -> list[Path]:
    """The visible folders in ``root``, by name."""
    return sorted(path for path in root.iterdir() if path.is_dir() and not hidden(path))


def hidden(path: Path) -> bool:
    """Whether a file or folder is what systems leave behind, to be passed over without a word."""
    return channels.is_clutter(path) or path.name == _RESOURCES


def files_under(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file at any depth, by name, with why it cannot be one of the set, or ""."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as exc:
        raise DatasetError(f"The folder {folder} cannot be read ({exc.strerror}); make it readable first.") from exc
    for entry in entries:
        path = Path(entry.path)
        if hidden(path):
            continue
        if entry.is_file():
            yield path, ""
        elif entry.is_dir(follow_symlinks=False):
            yield from files_under(path)
        elif entry.is_dir():
            yield path, "it is a link to a folder, which is not followed"
        elif entry.is_symlink():
            yield path, "it is a link to what is not there"
        else:
            yield path, "it is no plain file"
