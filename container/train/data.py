"""Which files are the training, validation and test images: channels, classes and splits.

ImageFolder layout: a folder a class. Class order is that of the sorted folder names of the training
split. A validation or test split that has no channel is taken out of the training files, seeded and
stratified by class.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from container.common import channels
from container.common.channels import SPLITS, TEST, TRAIN, VALIDATION
from container.common.classes import names as class_names
from container.common.errors import DataError
from container.common.hyperparameters import Hyperparameters
from container.common.names import did_you_mean


@dataclass(frozen=True)
class Split:
    """Files of one split with their class indices, and what was found there that is no image."""

    name: str
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    strangers: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True)
class Dataset:
    """The classes in index order, and the splits by name."""

    classes: tuple[str, ...]
    splits: dict[str, Split]
    warnings: tuple[str, ...] = field(default=())


def find(root: Path, hyperparameters: Hyperparameters) -> Dataset:
    """Scan the channels under ``root`` (input/data) and make what splits are missing.

    Raises DataError, in one sentence, for a missing channel, an empty folder, a single class, or
    classes that differ between the splits.
    """
    folders = channels.resolve(root)
    if TRAIN not in folders:
        there = sorted(p.name for p in root.iterdir()) if root.is_dir() else []
        raise DataError(
            f"The 'train' channel is missing: {root} holds {', '.join(there) or 'nothing'}; "
            "give a channel named train with a folder of images for each class."
        )
    classes = class_names(folders[TRAIN])
    splits = {name: _scan(name, folders[name], classes) for name in SPLITS if name in folders}
    warnings = [*channels.overlooked(root), *_check_classes(splits, classes)]
    _make_missing(splits, classes, hyperparameters)
    return Dataset(classes, splits, tuple(warnings))


def _scan(name: str, root: Path, classes: tuple[str, ...]) -> Split:
    unknown = [p.name for p in channels.folders(root) if p.name not in classes]
    if unknown:
        raise DataError(
            f"The {name} channel holds the class '{unknown[0]}', which the train channel does not have."
            f"{did_you_mean(unknown[0], classes)} Rename or remove the folder."
        )
    files: list[Path] = []
    labels: list[int] = []
    strangers: list[Path] = []
    for index, class_name in enumerate(classes):
        folder = root / class_name
        for path in sorted(folder.rglob("*")):
            # A hidden folder hides all that is in it: .ipynb_checkpoints holds copies of what stands beside it.
            if any(channels.is_clutter(Path(part)) for part in path.relative_to(folder).parts) or not path.is_file():
                continue
            if channels.is_image(path):
                files.append(path)
                labels.append(index)
            else:
                strangers.append(path)
    return Split(name, tuple(files), tuple(labels), tuple(strangers))


def _check_classes(splits: dict[str, Split], classes: tuple[str, ...]) -> list[str]:
    warnings = []
    for name, split in splits.items():
        empty = [c for i, c in enumerate(classes) if i not in set(split.labels)]
        if not empty:
            continue
        if name == TRAIN:
            raise DataError(
                f"The class folder '{empty[0]}' of the train channel holds no images; add some, or remove the folder. "
                "Data in another layout are first brought into this one by `launch.py data prepare`."
            )
        if name == VALIDATION:
            raise DataError(
                f"The class '{empty[0]}' has no images in the validation channel; add some, or leave the channel "
                "out to have a validation split taken from the training images."
            )
        warnings.append(f"the {name} channel has no images of {', '.join(empty)}")
    return warnings


def _make_missing(splits: dict[str, Split], classes: tuple[str, ...], hyperparameters: Hyperparameters) -> None:
    """Take a validation and a test split out of the training files where they have no channel.

    Validation is drawn first, so that it is the same with a test split and without.
    """
    asked = {VALIDATION: hyperparameters.validation_fraction, TEST: hyperparameters.test_fraction}
    fractions = {name: fraction for name, fraction in asked.items() if name not in splits and fraction > 0}
    counts = _counts(splits[TRAIN], classes, fractions)
    for name in fractions:
        splits[TRAIN], splits[name] = _divide(splits[TRAIN], name, counts[name], seed=hyperparameters.seed)


def _counts(train: Split, classes: tuple[str, ...], fractions: dict[str, float]) -> dict[str, list[int]]:
    """How many images of each class a split takes: its fraction of all training images, and one at least."""
    there = np.bincount(train.labels, minlength=len(classes)).tolist()
    counts = {name: [max(1, round(n * fraction)) for n in there] for name, fraction in fractions.items()}
    for index, class_name in enumerate(classes):
        taken = {name: numbers[index] for name, numbers in counts.items()}
        if taken and sum(taken.values()) >= there[index]:
            wanted = " and ".join(f"{number} for {name}" for name, number in taken.items())
            raise DataError(
                f"The class '{class_name}' has {there[index]} training image(s), too few to take {wanted} from and "
                f"train on the rest; add images, or give a channel named {' and one named '.join(taken)}."
            )
    return counts


def _divide(train: Split, name: str, counts: list[int], *, seed: int) -> tuple[Split, Split]:
    labels = np.array(train.labels)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    chosen = np.zeros(len(labels), dtype=bool)
    for index, count in enumerate(counts):
        chosen[generator.permutation(np.flatnonzero(labels == index))[:count]] = True
    return _subset(train, ~chosen, TRAIN, train.strangers), _subset(train, chosen, name, ())


def _subset(split: Split, mask: np.ndarray, name: str, strangers: tuple[Path, ...]) -> Split:
    indices = np.flatnonzero(mask)
    return Split(name, tuple(split.files[i] for i in indices), tuple(split.labels[i] for i in indices), strangers)
