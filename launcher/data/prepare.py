"""Any known layout → ImageFolder splits, with each split's distribution and statistics.

    prepare(Path("hands"), Path("hands-prepared"), validation_fraction=0.2, test_fraction=0.15, seed=7)

leaves ``train/ validation/ test/<class>/<file>``, ``info_<split>.csv`` and ``statistics.json``.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from container.common.channels import SPLITS, TEST, TRAIN, VALIDATION
from launcher.data.errors import DatasetError
from launcher.data.layouts import Sample, read
from launcher.data.statistics import Moments, read_all

STATISTICS = "statistics.json"


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` made. Images left out are named, none is lost silently."""

    destination: Path
    counts: dict[str, dict[str, int]]
    mean: dict[str, tuple[float, ...]]
    std: dict[str, tuple[float, ...]]
    # (left out, the equal file that was kept)
    duplicates: tuple[tuple[Path, Path], ...]
    # (file, why it cannot be read)
    bad: tuple[tuple[Path, str], ...]


def prepare(
    source: Path,
    destination: Path,
    *,
    layout: str = "auto",
    validation_fraction: float = 0.2,
    test_fraction: float = 0.15,
    seed: int = 0,
    on_read: Callable[[], None] = lambda: None,
) -> Prepared:
    """Split ``source`` into ImageFolder folders under ``destination``, which must be empty or absent.

    Splits the source already has are kept; missing ones are taken from its training images, seeded and
    stratified. Files equal to the byte go to one split only: a copy in the test or validation images wins
    over training. Unreadable files are left out. Files are hard links where the file system allows, else copies.

    Raises DatasetError when the source cannot be used or the destination holds files.
    """
    if destination.exists() and any(destination.iterdir()):
        raise DatasetError(f"{destination} is not empty; give another folder, or remove it first.")
    samples = read(source, layout)
    readings = list(read_all((s.path for s in samples), on_read))
    bad = tuple((s.path, r.problem) for s, r in zip(samples, readings, strict=True) if r.problem)
    good = [(s, r) for s, r in zip(samples, readings, strict=True) if not r.problem]
    kept, duplicates = _without_duplicates([(s, r.digest) for s, r in good])
    splits = _assign(kept, validation_fraction, test_fraction, seed)
    reading_of = {s.path: r for s, r in good}
    moments = {split: Moments() for split in splits}
    for split, members in splits.items():
        for sample in members:
            moments[split].add(reading_of[sample.path])
    _write(destination, splits)
    counts = {split: dict(sorted(Counter(s.label for s in members).items())) for split, members in splits.items()}
    mean = {split: m.mean for split, m in moments.items()}
    std = {split: m.std for split, m in moments.items()}
    _write_tables(destination, counts, mean, std)
    return Prepared(destination, counts, mean, std, duplicates, bad)


def _without_duplicates(
    samples: list[tuple[Sample, str]],
) -> tuple[list[Sample], tuple[tuple[Path, Path], ...]]:
    """One file for each content. Held-out splits are looked at first, so that what is measured stays whole."""
    rank = {TEST: 0, VALIDATION: 1}
    first: dict[str, Sample] = {}
    duplicates = []
    for sample, digest in sorted(samples, key=lambda pair: rank.get(pair[0].split or "", 2)):
        if digest in first:
            duplicates.append((sample.path, first[digest].path))
        else:
            first[digest] = sample
    return sorted(first.values(), key=lambda s: s.path), tuple(duplicates)


def _assign(
    samples: list[Sample], validation_fraction: float, test_fraction: float, seed: int
) -> dict[str, list[Sample]]:
    """Split by the source's word where it has one; the missing splits come out of training, class by class."""
    splits: dict[str, list[Sample]] = {split: [] for split in SPLITS}
    for sample in samples:
        splits[sample.split or TRAIN].append(sample)
    wanted = {VALIDATION: validation_fraction, TEST: test_fraction}
    missing = {split: part for split, part in wanted.items() if not splits[split] and part > 0}
    if sum(missing.values()) >= 1:
        raise DatasetError("The validation and test fractions leave nothing to train on; their sum must be below 1.")
    by_class: dict[str, list[Sample]] = defaultdict(list)
    for sample in splits[TRAIN]:
        by_class[sample.label].append(sample)
    if len(by_class) < 2:
        raise DatasetError(
            f"A classifier needs at least two classes, and the training images have {len(by_class)}; "
            "give a folder with one sub-folder for each class."
        )
    rng = np.random.default_rng(seed)
    splits[TRAIN] = []
    for _, members in sorted(by_class.items()):
        order = [members[i] for i in rng.permutation(len(members))]
        for split, part in missing.items():
            # One picture at least stays to train on, however small the class.
            take = min(round(len(members) * part), len(order) - 1)
            splits[split] += order[:take]
            order = order[take:]
        splits[TRAIN] += order
    return {split: members for split, members in splits.items() if members}


def _write(destination: Path, splits: dict[str, list[Sample]]) -> None:
    for split, members in splits.items():
        taken: set[tuple[str, str]] = set()
        for sample in members:
            folder = destination / split / sample.label
            folder.mkdir(parents=True, exist_ok=True)
            name, number = sample.path.name, 1
            while (sample.label, name) in taken:
                # The same name can stand in two sub-folders of one class.
                name, number = f"{sample.path.stem}-{number}{sample.path.suffix}", number + 1
            taken.add((sample.label, name))
            _link(sample.path, folder / name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, target)


def _write_tables(
    destination: Path,
    counts: dict[str, dict[str, int]],
    mean: dict[str, tuple[float, ...]],
    std: dict[str, tuple[float, ...]],
) -> None:
    for split, of_class in counts.items():
        total = sum(of_class.values())
        with (destination / f"info_{split}.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(["class", "images", "fraction"])
            writer.writerows([label, n, f"{n / total:.6f}"] for label, n in of_class.items())
    summary = {
        split: {"images": sum(counts[split].values()), "mean": mean[split], "std": std[split]} for split in counts
    }
    (destination / STATISTICS).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
