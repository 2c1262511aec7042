"""Which images train, validate and test: no content twice, every class on every side where it can be.

Splits the source has are kept; missing ones are taken from its training images, class by class, by a seed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from container.common.channels import SPLITS, TEST, TRAIN, VALIDATION
from launcher.data.errors import DatasetError
from launcher.data.samples import Sample

Splits = dict[str, list[Sample]]
# (left out, the equal one that was kept)
Duplicate = tuple[Sample, Sample]


def validation_as_test(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with their validation images as test images, for sets whose last word their authors call so.

    Raises DatasetError when there are none, or test images already.
    """
    splits = {sample.split for sample in samples}
    if VALIDATION not in splits or TEST in splits:
        has = "no validation images" if VALIDATION not in splits else "test images already"
        raise DatasetError(f"Its validation images cannot be taken to test on: it has {has}; leave that option out.")
    return [sample._replace(split=TEST) if sample.split == VALIDATION else sample for sample in samples]


def without_duplicates(samples: Sequence[Sample], digests: Sequence[bytes]) -> tuple[list[Sample], list[Duplicate]]:
    """One file for each content. Held-out splits are looked at first, so that what is measured stays whole."""
    rank = {TEST: 0, VALIDATION: 1}
    first: dict[bytes, Sample] = {}
    left_out: set[int] = set()
    duplicates = []
    for index in sorted(range(len(samples)), key=lambda at: rank.get(samples[at].split or "", 2)):
        kept = first.setdefault(digests[index], samples[index])
        if kept is not samples[index]:
            left_out.add(index)
            duplicates.append((samples[index], kept))
    return [sample for index, sample in enumerate(samples) if index not in left_out], duplicates


def differing(duplicates: Sequence[Duplicate], most: int = 5) -> list[str]:
    """A sentence on the copies that stand under another class than the file that is kept: one of the two is wrong."""
    pairs = Counter((out.label, kept.label) for out, kept in duplicates if out.label != kept.label)
    if not pairs:
        return []
    count = pairs.total()
    named = [f"{number} under '{out}', kept under '{kept}'" for (out, kept), number in sorted(pairs.items())]
    more = f"; and {len(named) - most} more pairs of classes" if len(named) > most else ""
    stand = "1 of the copies stands" if count == 1 else f"{count} of the copies stand"
    return [f"{stand} under another class than the file that was kept ({'; '.join(named[:most])}{more})."]


def assign(
    samples: Sequence[Sample], *, validation_fraction: float, test_fraction: float, seed: int
) -> tuple[Splits, list[str]]:
    """The splits that hold something, and sentences on classes that lack images. Raises DatasetError."""
    splits: Splits = {split: [] for split in SPLITS}
    for sample in samples:
        splits[sample.split or TRAIN].append(sample)
    classes = {sample.label for sample in splits[TRAIN]}
    if len(classes) < 2:
        raise DatasetError(
            f"A classifier needs at least two classes, and the training images have {len(classes)}; "
            "give a folder with one sub-folder for each class."
        )
    warnings = _drop_untrained(splits, classes)
    wanted = {VALIDATION: validation_fraction, TEST: test_fraction}
    _take_missing(splits, {split: part for split, part in wanted.items() if not splits[split] and part > 0}, seed)
    filled = {split: members for split, members in splits.items() if members}
    for split, part in wanted.items():
        if split not in filled and part > 0:
            warnings.append(f"Every class has too few images to take one for {split}, which training wants; add some.")
    for split in (VALIDATION, TEST):
        lacking = sorted(classes - {sample.label for sample in filled.get(split, [])})
        if split in filled and lacking:
            warnings.append(f"The {split} split has no image of {_named(lacking)}; add images of them.")
    return filled, warnings


def _drop_untrained(splits: Splits, classes: set[str]) -> list[str]:
    """Nothing is judged by images of classes that nothing is learnt about."""
    warnings = []
    for split in (VALIDATION, TEST):
        unknown = [sample for sample in splits[split] if sample.label not in classes]
        if unknown:
            names = _named(sorted({sample.label for sample in unknown}))
            warnings.append(f"{len(unknown)} {split} images of {names} were left out: no training image shows that.")
            splits[split] = [sample for sample in splits[split] if sample.label in classes]
    return warnings


def _take_missing(splits: Splits, fractions: dict[str, float], seed: int) -> None:
    if sum(fractions.values()) >= 1:
        raise DatasetError("The validation and test fractions leave nothing to train on; their sum must be below 1.")
    by_class: dict[str, list[Sample]] = defaultdict(list)
    for sample in splits[TRAIN]:
        by_class[sample.label].append(sample)
    generator = np.random.default_rng(seed)
    splits[TRAIN] = []
    for _, members in sorted(by_class.items()):
        order = [members[index] for index in generator.permutation(len(members))]
        for split, part in fractions.items():
            # One picture at least on each side, and first of all to train on, however small the class.
            take = min(max(1, round(len(members) * part)), len(order) - 1)
            splits[split] += order[:take]
            order = order[take:]
        splits[TRAIN] += order


def _named(labels: Sequence[str], most: int = 5) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return "the class " * (len(labels) == 1) + ", ".join(f"'{label}'" for label in labels[:most]) + more
