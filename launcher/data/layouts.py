"""Reading a data set in the layout its authors chose: which file belongs to which class and split.

fingers   flat train/ and test/ folders of ``<id>_<0-5><L|R>.png``
folder    a folder a class, or train/ valid/ test/ folders that hold a folder a class
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from container.common import channels
from launcher.data.errors import DatasetError

LAYOUTS: tuple[str, ...] = ("fingers", "folder")

_FINGERS = re.compile(r".+_([0-5][LR])$")


@dataclass(frozen=True)
class Sample:
    """One file, its class, and the split its source puts it in (None: not said)."""

    path: Path
    label: str
    split: str | None


def detect(source: Path) -> str:
    """The layout of ``source``; DatasetError when it is none of ``LAYOUTS``."""
    if not source.is_dir():
        raise DatasetError(f"No data at {source}: it is not a folder; give the folder that holds the images.")
    if _fingers(source):
        return "fingers"
    if any(channels.is_image(s.path) for s in _folder(source)):
        return "folder"
    raise DatasetError(
        f"No images found in {source}: neither files named like 'a1_3R.png' in train/ and test/, nor a folder of "
        "images for each class; give the folder above them."
    )


def read(source: Path, layout: str) -> list[Sample]:
    """Every file of ``source`` that stands where an image should, in a fixed order.

    ``layout`` is "auto" or one of ``LAYOUTS``.
    """
    chosen = detect(source) if layout == "auto" else layout
    readers = {"fingers": _fingers, "folder": _folder}
    if chosen not in readers:
        raise DatasetError(f"Unknown layout '{layout}'; it must be auto, {' or '.join(LAYOUTS)}.")
    samples = readers[chosen](source)
    if not samples:
        raise DatasetError(f"No images of the layout '{chosen}' in {source}; give --layout auto, or another folder.")
    return samples


def _fingers(source: Path) -> list[Sample]:
    samples = []
    for folder in sorted(p for p in source.iterdir() if p.is_dir()):
        split = channels.split_of(folder.name)
        if split is None:
            continue
        for path in sorted(folder.glob("*.png")):
            match = _FINGERS.match(path.stem)
            if match:
                samples.append(Sample(path, match.group(1), split))
    return samples


def _folder(source: Path) -> list[Sample]:
    folders = [p for p in sorted(source.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    splits = [(p, channels.split_of(p.name)) for p in folders]
    nested = [(p, split) for p, split in splits if split and any(c.is_dir() for c in p.iterdir())]
    if nested:
        return [s for p, split in nested for s in _classes(p, split)]
    return _classes(source, None)


def _classes(root: Path, split: str | None) -> list[Sample]:
    return [
        Sample(path, folder.name, split)
        for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not channels.is_clutter(path)
    ]
