"""Reading a data set in the layout its authors chose: which file belongs to which class and split.

bins      bin-images/<number>.jpg and metadata/<number>.json (Amazon's Bin Image Dataset): see `bins`
dogs      train/ valid/ test/ folders of classes named like 001.Affenpinscher (Udacity's dogImages)
fingers   flat train/ and test/ folders of ``<id>_<0-5><L|R>.png`` (Kaggle's koryakinp/fingers)
folder    a folder a class, or train/ valid/ test/ folders that hold a folder a class
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from container.common import channels
from launcher.data import bins
from launcher.data.errors import DatasetError
from launcher.data.samples import Choice, Found, Sample, files_under, folders_in

LAYOUTS: tuple[str, ...] = ("bins", "dogs", "fingers", "folder")

# Folders about others that hold the data: archives are often packed so.
_DEEPEST = 4
_FINGERS = re.compile(r".+_([0-5][LR])$")
_BREED = re.compile(r"\d{3}\..+")


def read(source: Path, layout: str = "auto", choice: Choice | None = None) -> Found:
    """Every file of ``source`` that stands where an image should, in a fixed order.

    ``layout`` is "auto" or one of ``LAYOUTS``. Raises DatasetError.
    """
    if layout not in ("auto", *LAYOUTS):
        raise DatasetError(f"Unknown layout '{layout}'; it must be auto, {', '.join(LAYOUTS[:-1])} or {LAYOUTS[-1]}.")
    if not source.is_dir():
        what = "neither a folder nor a zip" if source.exists() else "there is nothing of that name"
        raise DatasetError(f"No data at {source}: {what}; give the folder that holds the images, or a zip of it.")
    root = _inner(source)
    chosen = detect(root) if layout == "auto" else layout
    if choice is not None and chosen != "bins":
        raise DatasetError(f"{source} has the layout '{chosen}', and bins alone are chosen by a list or a number.")
    readers: dict[str, Callable[[Path], Found]] = {
        "bins": lambda place: bins.read(place, choice or Choice()),
        "dogs": _dogs,
        "fingers": _fingers,
        "folder": _folder,
    }
    found = readers[chosen](root)
    if not found.samples:
        said = " ".join(found.warnings)
        raise DatasetError(
            f"No images of the layout '{chosen}' in {source}{f' ({said})' if said else ''}; leave the layout to be "
            "found, or give another folder."
        )
    return found


def detect(root: Path) -> str:
    """The layout of the folder ``root``; DatasetError when it is none of ``LAYOUTS``."""
    if bins.is_here(root):
        return "bins"
    if _is_fingers(root):
        return "fingers"
    inside = chain.from_iterable(files_under(folder) for folder, _ in _class_folders(root))
    if any(channels.is_image(path) for path, problem in inside if not problem):
        return "folder"
    raise DatasetError(
        f"No images found in {root}: neither files named like 'a1_3R.png' in train/ and test/, nor bin-images/ beside "
        "metadata/, nor a folder of images for each class; give the folder above them."
    )


def _inner(root: Path) -> Path:
    """Down through folders that hold one folder alone, as archives do, to the one that holds the data."""
    for _ in range(_DEEPEST):
        inside = folders_in(root)
        if len(inside) != 1 or channels.split_of(inside[0].name) or not folders_in(inside[0]):
            break
        root = inside[0]
    return root


def _is_fingers(root: Path) -> bool:
    return any(
        _FINGERS.match(path.stem) and channels.is_image(path)
        for folder in folders_in(root)
        if channels.split_of(folder.name)
        for path in folder.iterdir()
    )


def _fingers(root: Path) -> Found:
    found = Found(layout="fingers", gray=True)
    for folder in folders_in(root):
        split = channels.split_of(folder.name)
        if split is None:
            continue
        for path in _files(found, folder):
            match = _FINGERS.match(path.stem)
            if match:
                found.samples.append(Sample(path, match[1], split))
            else:
                found.bad.append((path, "its name does not end in a count from 0 to 5 and L or R, as in 'a1_3R.png'"))
    return found


def _dogs(root: Path) -> Found:
    found = _folder(root)
    strangers = sorted({sample.label for sample in found.samples if not _BREED.fullmatch(sample.label)})
    if strangers:
        raise DatasetError(
            f"The class folder '{strangers[0]}' in {root} is not named like '001.Affenpinscher', as all are in the dog "
            "images; rename it, or say 'folder' for class folders of any name."
        )
    return replace(found, layout="dogs")


def _folder(root: Path) -> Found:
    found = Found(layout="folder")
    for folder, split in _class_folders(root):
        before = len(found.samples)
        label = folder.name
        found.samples.extend(Sample(path, label, split) for path in _files(found, folder))
        if len(found.samples) == before:
            found.warnings.append(f"The class folder {folder.relative_to(root)} holds no file and is passed over.")
    return found


def _class_folders(root: Path) -> list[tuple[Path, str | None]]:
    """The class folders with the split that each stands in, where the set is divided."""
    splits = [(folder, channels.split_of(folder.name)) for folder in folders_in(root)]
    found: list[tuple[Path, str | None]] = [
        (inner, split) for folder, split in splits if split for inner in folders_in(folder)
    ]
    return found or [(folder, None) for folder, _ in splits]


def _files(found: Found, folder: Path) -> Iterator[Path]:
    for path, problem in files_under(folder):
        if problem:
            found.bad.append((path, problem))
        else:
            yield path
