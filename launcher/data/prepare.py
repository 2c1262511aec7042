"""Any known layout → ImageFolder splits, with each split's distribution and statistics, and a page to look at.

    prepare(Path("hands"), Path("hands-prepared"), validation_fraction=0.2, test_fraction=0.15, seed=7)

leaves ``train/ validation/ test/<class>/<file>``, ``info_<split>.csv``, ``statistics.json`` and ``data.html``.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launcher.data import archive, bucket, layouts
from launcher.data.errors import DatasetError
from launcher.data.exploration import Exploration, Picture, chosen, page
from launcher.data.samples import Choice, Found, Sample
from launcher.data.splits import Duplicate, Splits, assign, differing, validation_as_test, without_duplicates
from launcher.data.statistics import Moments, Reading, Task, read_all
from launcher.data.whole import workplace

STATISTICS = "statistics.json"
PAGE = "data.html"


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` made. Images left out are named, none is lost silently."""

    destination: Path
    layout: str
    counts: dict[str, dict[str, int]]
    mean: dict[str, tuple[float, ...]]
    std: dict[str, tuple[float, ...]]
    # (left out, the equal file that was kept)
    duplicates: tuple[tuple[Path, Path], ...]
    # (file, why it cannot be used)
    bad: tuple[tuple[Path, str], ...]
    # Sentences on what else is odd, with counts.
    warnings: tuple[str, ...]

    @property
    def page(self) -> Path:
        """The HTML page on the set."""
        return self.destination / PAGE


def prepare(
    source: Path | str,
    destination: Path,
    *,
    layout: str = "auto",
    validation_fraction: float = 0.2,
    test_fraction: float = 0.15,
    validation_is_test: bool = False,
    seed: int = 0,
    choice: Choice | None = None,
    download: Path | None = None,
    client: Any = None,
    on_read: Callable[[], None] = lambda: None,
) -> Prepared:
    """Split ``source`` into ImageFolder folders under ``destination``, which must be empty or absent.

    ``source`` is a folder, a zip archive, or s3://BUCKET with Amazon's bins, which are fetched (to ``download``, when
    they are to be kept; by ``client``, boto3.client("s3") without an account unless given). Splits the source already
    has are kept; missing ones are taken from its training images, seeded and stratified; ``validation_is_test`` keeps
    the source's validation images to test on, and validates on some of its training images. Files equal to the byte go
    to one split only: a copy in the test or validation images wins over training. Unreadable files are left out. Files
    are hard links where the file system allows, else copies; nothing of the source is changed. The destination appears
    whole, or not at all.

    Raises DatasetError when the source cannot be used or the destination holds files.
    """
    if str(source).startswith(bucket.SCHEME) and layout not in ("auto", "bins"):
        raise DatasetError(f"{source} is a bucket, and bins alone are fetched from one; copy it here first.")
    if Path(source).is_dir() and destination.resolve().is_relative_to(Path(source).resolve()):
        raise DatasetError(f"{destination} lies in {source}, whose pictures it would hold again; give one beside it.")
    with workplace(destination) as (work, folder):
        opened = _open(source, work, choice=choice or Choice(seed=seed), download=download, client=client)
        try:
            found = layouts.read(opened.root, layout, choice)
            found.warnings[:0] = opened.warnings
            if validation_is_test:
                found.samples = validation_as_test(found.samples)
            made = _make(
                found, validation_fraction=validation_fraction, test_fraction=test_fraction, seed=seed, on_read=on_read
            )
            _write(folder, made.splits)
        except DatasetError as exc:
            # What is said of an unpacked archive is said of the archive.
            raise DatasetError(str(exc).replace(str(opened.root), str(opened.named))) from exc
        prepared = _prepared(made, destination, opened)
        summary = _write_tables(folder, made, prepared)
        _write_page(folder / PAGE, made, prepared, title=Path(source).name or str(source), statistics=summary)
    return prepared


@dataclass(frozen=True)
class _Opened:
    """The folder that a source was unpacked or fetched to, or is; and what that folder is called in words."""

    root: Path
    named: Path
    warnings: list[str] = field(default_factory=list)

    def name(self, path: Path) -> Path:
        return self.named / path.relative_to(self.root)


@dataclass(frozen=True)
class _Made:
    """The set as it is written: the files of each split, what was left out, and what was read of each file."""

    found: Found
    splits: Splits
    readings: dict[Path, Reading]
    moments: dict[str, Moments]
    duplicates: list[Duplicate]
    warnings: list[str]


def _open(source: Path | str, work: Path, *, choice: Choice, download: Path | None, client: Any) -> _Opened:
    if str(source).startswith(bucket.SCHEME):
        root = download or work / "fetched"
        warnings = bucket.fetch(str(source), root, choice, client=client)
        return _Opened(root, download or Path(str(source).removeprefix(bucket.SCHEME)), warnings)
    place = Path(source)
    if place.suffix.lower() == archive.SUFFIX and place.is_file():
        archive.extract(place, work / "unpacked")
        return _Opened(work / "unpacked", place)
    return _Opened(place, place)


def _make(
    found: Found, *, validation_fraction: float, test_fraction: float, seed: int, on_read: Callable[[], None]
) -> _Made:
    """Read and divide the images."""
    shown = chosen([sample.label for sample in found.samples])
    tasks = (Task(str(s.path), found.gray, index in shown) for index, s in enumerate(found.samples))
    good: list[Sample] = []
    readings: dict[Path, Reading] = {}
    for sample, reading in zip(found.samples, read_all(tasks, on_read), strict=True):
        if reading.problem:
            found.bad.append((sample.path, reading.problem))
        else:
            good.append(sample)
            readings[sample.path] = reading
    kept, duplicates = without_duplicates(good, [readings[sample.path].digest for sample in good])
    splits, warnings = assign(kept, validation_fraction=validation_fraction, test_fraction=test_fraction, seed=seed)
    warnings += differing(duplicates)
    moments = {split: Moments() for split in splits}
    for split, members in splits.items():
        for sample in members:
            moments[split].add(readings[sample.path])
    return _Made(found, splits, readings, moments, duplicates, [*found.warnings, *warnings])


def _prepared(made: _Made, destination: Path, opened: _Opened) -> Prepared:
    return Prepared(
        destination=destination,
        layout=made.found.layout,
        counts={split: dict(sorted(Counter(s.label for s in members).items())) for split, members in
                made.splits.items()},
        mean={split: each.mean for split, each in made.moments.items()},
        std={split: each.std for split, each in made.moments.items()},
        duplicates=tuple((opened.name(out.path), opened.name(same.path)) for out, same in made.duplicates),
        bad=tuple((opened.name(path), why) for path, why in made.found.bad),
        warnings=tuple(made.warnings),
    )  # fmt: skip


def _write(destination: Path, splits: Splits) -> None:
    for split, members in splits.items():
        taken: dict[str, tuple[Path, set[str]]] = {}
        for sample in members:
            if sample.label not in taken:
                taken[sample.label] = destination / split / sample.label, set()
                taken[sample.label][0].mkdir(parents=True)
            folder, names = taken[sample.label]
            name, number = sample.path.name, 1
            # The same name can stand in two sub-folders of one class; to some disks 1.png and 1.PNG are the same.
            while name.casefold() in names:
                name, number = f"{sample.path.stem}-{number}{sample.path.suffix}", number + 1
            names.add(name.casefold())
            _link(sample.path, folder / name)


def _link(source: Path, target: Path) -> None:
    try:
        # A link to a link would lead nowhere once the source is moved.
        os.link(source.resolve() if source.is_symlink() else source, target)
    except FileExistsError:
        # A copy would be written through that link, over another file of the source.
        raise
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, target)


def _write_tables(folder: Path, made: _Made, prepared: Prepared) -> dict[str, dict[str, Any]]:
    """A table a split, and the statistics of each and of all; the latter as written."""
    for split, of_class in prepared.counts.items():
        total = sum(of_class.values())
        # A name that is no text in this system's encoding is written as the bytes it is.
        table = folder / f"info_{split}.csv"
        with table.open("w", newline="", encoding="utf-8", errors="surrogateescape") as handle:
            writer = csv.writer(handle)
            writer.writerow(["class", "images", "fraction"])
            writer.writerows([label, n, f"{n / total:.6f}"] for label, n in of_class.items())
    whole = Moments()
    for each in made.moments.values():
        whole.join(each)
    moments = {**made.moments, "all": whole}
    summary = {name: {"images": each.images, "mean": each.mean, "std": each.std} for name, each in moments.items()}
    (folder / STATISTICS).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def _write_page(
    path: Path, made: _Made, prepared: Prepared, *, title: str, statistics: dict[str, dict[str, Any]]
) -> None:
    members = [sample for split in made.splits.values() for sample in split]
    pictures = [
        Picture(sample.label, sample.path.name, made.readings[sample.path].sample)
        for sample in members
        if made.readings[sample.path].sample
    ]
    exploration = Exploration(
        title=title,
        layout=prepared.layout,
        counts=prepared.counts,
        statistics=statistics,
        sizes=Counter((made.readings[s.path].width, made.readings[s.path].height) for s in members),
        gray=sum(made.readings[s.path].gray for s in members),
        pictures=pictures,
        bad=prepared.bad,
        duplicates=prepared.duplicates,
        warnings=prepared.warnings,
    )
    path.write_text(page(exploration), encoding="utf-8", errors="replace")
