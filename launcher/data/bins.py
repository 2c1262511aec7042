"""Amazon's Bin Image Dataset: photos of bins in a warehouse, and beside each what should lie in it.

    bin-images/00001.jpg
    metadata/00001.json      {"BIN_FCSKU_DATA": {…}, "EXPECTED_QUANTITY": 3, …}

The class of a photo is its number of items. Either the metadata say it, or a list does, which also chooses the photos:
``{"1": ["data/metadata/100313.json", …], "2": […], …}``.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from container.common import channels
from launcher.data.errors import DatasetError
from launcher.data.samples import Choice, Found, Sample, files_under

IMAGES, METADATA = "bin-images", "metadata"
QUANTITY = "EXPECTED_QUANTITY"

_NUMBER = re.compile(r"[\w-]+")


def is_here(root: Path) -> bool:
    """Whether ``root`` has the layout's two folders."""
    return (root / IMAGES).is_dir() and (root / METADATA).is_dir()


def read(root: Path, choice: Choice) -> Found:
    """The photos that have a class, and sentences on how many have none, and why. Raises DatasetError."""
    if not (root / IMAGES).is_dir():
        raise DatasetError(f"There is no {IMAGES}/ in {root}; give the folder that holds {IMAGES}/ and {METADATA}/.")
    found = Found(layout="bins")
    photos: dict[str, Path] = {}
    for path, problem in files_under(root / IMAGES):
        if problem or not channels.is_image(path):
            found.bad.append((path, problem or f"its suffix '{path.suffix}' is not that of a training image"))
        else:
            photos[path.stem] = path
    classes = _listed(root, choice.listed, photos, found) if choice.listed else _told(root, photos, choice.most, found)
    by_class: dict[int, list[str]] = defaultdict(list)
    for number, items in classes.items():
        by_class[items].append(number)
    for items, numbers in sorted(by_class.items()):
        kept = sorted(numbers)
        if choice.per_class is not None and len(kept) > choice.per_class:
            kept = sorted(random.Random(f"{choice.seed}:{items}").sample(kept, choice.per_class))
        found.samples.extend(Sample(photos[number], str(items), None) for number in kept)
    return found


def read_list(path: Path) -> dict[str, int]:
    """A list that chooses bins: each one's number (its file's name without suffix) and how many items lie in it.

    Raises DatasetError.
    """
    example = 'a list looks like {"1": ["data/metadata/100313.json", …], "2": […]}'
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise DatasetError(f"The list {path} cannot be read: {exc.strerror}; give another file.") from exc
    except ValueError as exc:
        raise DatasetError(f"The list {path} is not JSON ({exc}); {example}.") from exc
    if not isinstance(raw, dict):
        raise DatasetError(f"The list {path} holds no classes; {example}.")
    chosen: dict[str, int] = {}
    for label, files in raw.items():
        if not (label.isascii() and label.isdigit()):
            raise DatasetError(f"The list {path} has the class '{label}', which is no number of items; {example}.")
        if not (isinstance(files, list) and all(isinstance(each, str) for each in files)):
            raise DatasetError(f"The list {path} names no files for the class '{label}'; {example}.")
        for each in files:
            number = PurePosixPath(each).stem
            if not _NUMBER.fullmatch(number):
                raise DatasetError(f"The list {path} names '{each}', which is no bin's file; {example}.")
            if chosen.setdefault(number, int(label)) != int(label):
                raise DatasetError(
                    f"The list {path} has bin {number} under {chosen[number]} and under {label}; keep one of them."
                )
    if not chosen:
        raise DatasetError(f"The list {path} is empty; {example}.")
    return chosen


def quantity(content: bytes) -> int:
    """How many items a bin's metadata say lie in it. Raises ValueError with what is wrong with them."""
    try:
        metadata: Any = json.loads(content)
    except ValueError as exc:
        raise ValueError("metadata that are not JSON") from exc
    items = metadata.get(QUANTITY) if isinstance(metadata, dict) else None
    if not isinstance(items, int) or isinstance(items, bool) or items < 0:
        raise ValueError(f"an unknown {QUANTITY}")
    return items


def _told(root: Path, photos: dict[str, Path], most: int, found: Found) -> dict[str, int]:
    """What the metadata say of each photo."""
    if not (root / METADATA).is_dir():
        raise DatasetError(
            f"There is no {METADATA}/ in {root} to tell how many items a bin holds; add it, or give a list."
        )
    classes: dict[str, int] = {}
    lacking: Counter[str] = Counter()
    for number in photos:
        try:
            items = quantity((root / METADATA / f"{number}.json").read_bytes())
        except FileNotFoundError:
            lacking["no metadata"] += 1
        except OSError as exc:
            lacking[f"metadata that cannot be read ({exc.strerror})"] += 1
        except ValueError as exc:
            lacking[str(exc)] += 1
        else:
            if 1 <= items <= most:
                classes[number] = items
            else:
                lacking["no item" if items == 0 else f"more than {most} items"] += 1
    for why, count in sorted(lacking.items()):
        found.warnings.append(f"{_bins(count, 'has', 'have')} {why} and {_were(count)} left out.")
    alone = sum(path.stem not in photos for path, _ in files_under(root / METADATA) if path.suffix == ".json")
    if alone:
        found.warnings.append(f"{_bins(alone, 'has', 'have')} metadata and no photo.")
    return classes


def _listed(root: Path, listed: Path, photos: dict[str, Path], found: Found) -> dict[str, int]:
    """What a list says; a photo whose metadata say otherwise would be a wrong example, and is left out."""
    chosen = read_list(listed)
    absent = sum(number not in photos for number in chosen)
    if absent:
        found.warnings.append(f"{_bins(absent, 'of the list has', 'of the list have')} no photo.")
    classes: dict[str, int] = {}
    differing = 0
    for number, items in chosen.items():
        if number not in photos:
            continue
        try:
            said = quantity((root / METADATA / f"{number}.json").read_bytes())
        except (OSError, ValueError):
            said = items  # the list knows, and needs no second word
        if said == items:
            classes[number] = items
        else:
            differing += 1
    if differing:
        found.warnings.append(
            f"{_bins(differing, 'of the list holds', 'of the list hold')} another number of items by the metadata and "
            f"{_were(differing)} left out."
        )
    return classes


def _bins(count: int, one: str, many: str) -> str:
    return f"1 bin {one}" if count == 1 else f"{count} bins {many}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
