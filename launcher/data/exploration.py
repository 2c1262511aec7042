"""The page on a prepared set: what is in it, some of each class, and what was left out, with the reason.

page(Exploration(title="dogImages.zip", layout="dogs", …))
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.common.channels import SPLITS

# Pictures shown of a class, and of the set: some 3 kB each.
_OF_A_CLASS, _OF_ALL = 8, 480
# Of more classes, a column each; of fewer, a bar with its numbers.
_MANY = 24
# Rows of a table of files, and sizes of images that are listed.
_ROWS, _SIZES = 200, 12
_TEMPLATE = Path(__file__).parent / "templates" / "data.html.j2"


@dataclass(frozen=True)
class Picture:
    """A small JPEG of an image."""

    label: str
    name: str
    data: bytes

    @property
    def uri(self) -> str:
        return "data:image/jpeg;base64," + base64.b64encode(self.data).decode()


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """All that the page tells."""

    title: str
    layout: str
    counts: Mapping[str, Mapping[str, int]]
    # By split, and "all": images, mean and std.
    statistics: Mapping[str, Mapping[str, Any]]
    sizes: Counter[tuple[int, int]]
    gray: int
    pictures: Sequence[Picture]
    bad: Sequence[tuple[Path, str]]
    duplicates: Sequence[tuple[Path, Path]]
    warnings: Sequence[str]


def chosen(labels: Sequence[str]) -> set[int]:
    """Which of the set's images are shown: some of each class, from its first to its last."""
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        by_label[label].append(index)
    each = max(1, min(_OF_A_CLASS, _OF_ALL // max(1, len(by_label))))
    shown: set[int] = set()
    for _, indices in sorted(by_label.items())[:_OF_ALL]:
        shown.update(indices[at * len(indices) // each] for at in range(each))
    return shown


def page(exploration: Exploration) -> str:
    """The page as HTML: one file that needs no network."""
    from container.common.charts.page import render

    splits = [split for split in SPLITS if split in exploration.counts]
    labels = sorted({label for of_class in exploration.counts.values() for label in of_class})
    rows = [(label, [exploration.counts[split].get(label, 0) for split in splits]) for label in labels]
    pictures: dict[str, list[Picture]] = defaultdict(list)
    for picture in exploration.pictures:
        pictures[picture.label].append(picture)
    return render(
        _TEMPLATE,
        set=exploration,
        images=sum(sum(counts) for _, counts in rows),
        splits=splits,
        rows=rows,
        most=max(sum(counts) for _, counts in rows),
        least=min(sum(counts) for _, counts in rows),
        columns=_columns(rows, splits) if len(rows) > _MANY else None,
        pictures=dict(sorted(pictures.items())),
        sizes=exploration.sizes.most_common(_SIZES),
        extent=_extent(exploration.sizes),
        limit=_ROWS,
    )


def _columns(rows: Sequence[tuple[str, Sequence[int]]], splits: Sequence[str]) -> Any:
    """The classes by their number of images, largest first."""
    from container.common.charts.matrix import columns

    ordered = sorted(rows, key=lambda row: -sum(row[1]))
    return columns(
        [label for label, _ in ordered],
        [(split, [counts[at] for _, counts in ordered]) for at, split in enumerate(splits)],
    )


def _extent(sizes: Counter[tuple[int, int]]) -> str:
    """The range of widths and heights, in words."""
    ranges = []
    for name, values in (("wide", [w for w, _ in sizes]), ("high", [h for _, h in sizes])):
        low, high = min(values), max(values)
        ranges.append(f"{low} {name}" if low == high else f"{low} to {high} {name}")
    return " and ".join(ranges)
