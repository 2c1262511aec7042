"""A confusion matrix as a heat map, from two classes to many hundred, and counts by class as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from container.common.charts.plots import Axis, Frame, picture
from container.common.charts.scales import Category, Linear
from container.common.charts.svg import Svg, element, shortened

# Shares of a true class's images at which a cell takes the next shade: mistakes are few, and to be seen all the same.
_HITS = (0.25, 0.5, 0.75, 0.9)
_MISSES = (0.02, 0.05, 0.1, 0.25)
_LARGEST_LABEL = 130.0
# A matrix of few classes has larger cells, and is a small picture all the same.
_FEW, _LARGE_CELL, _CELL = 5, 84.0, 46.0
_CHARACTER, _LINE, _WRITTEN = 7.0, 12.5, 21.0
# Of more classes, cells of one shade are one path: a cell of its own would cost a hundred bytes.
_SINGLE = 40


def heat(counts: Sequence[Sequence[int]], names: Sequence[str], *, width: float = 760) -> Svg:
    """``counts[true][predicted]``, a row a true class, shaded by the share of its class. No wider than ``width``."""
    size = len(names)
    edge = min(_LARGEST_LABEL, width / 3, max(len(name) for name in names) * _CHARACTER + 8)
    cell = min(_LARGE_CELL if size <= _FEW else _CELL, (width - edge - 20) / size)
    level = all(len(name) * _CHARACTER < cell - 4 for name in names)
    left, top, side = edge + 20, 16.0 + 20 if level else edge + 20, cell * size
    parts = [
        *_labels(names, cell, left, top, level=level),
        *(_single if size <= _SINGLE else _joined)(counts, names, cell, left, top),
    ]
    parts.append(element("rect", x=left, y=top, width=side, height=side, class_="frame"))
    parts.append(element("text", "predicted", x=left + side / 2, y=12, class_="name middle"))
    middle = top + side / 2
    turned = f"rotate(-90 12 {middle:.1f})"
    parts.append(element("text", "true", x=12, y=middle, transform=turned, class_="name middle"))
    drawn = picture((left + side + 2, top + side + 2), f"Confusion matrix of {size} classes", parts)
    return Svg(drawn.replace("<svg ", f'<svg style="max-width:{left + side + 2:.0f}px" ', 1))


def _labels(names: Sequence[str], cell: float, left: float, top: float, *, level: bool) -> list[Svg]:
    """The classes' names, as many as can be told apart."""
    found = []
    for index in range(0, len(names), math.ceil(_LINE / cell)):
        at, name = cell * (index + 0.5) + 4, names[index]
        text, title = shortened(name, left - 26, per_character=_CHARACTER), element("title", name)
        found.append(element("text", title, text, x=left - 5, y=top + at, class_="tick end"))
        if level:
            x = left + cell * (index + 0.5)
            found.append(element("text", title, text, x=x, y=top - 6, class_="tick middle"))
            continue
        turned = f"rotate(-90 {left + at:.1f} {top - 5:.1f})"
        found.append(element("text", title, text, x=left + at, y=top - 5, transform=turned, class_="tick"))
    return found


def _shade(share: float, *, hit: bool) -> str:
    return f"{'hit' if hit else 'miss'}-{sum(share > each for each in (_HITS if hit else _MISSES))}"


def _single(
    counts: Sequence[Sequence[int]], names: Sequence[str], cell: float, left: float, top: float
) -> list[Svg]:  # fmt: skip
    parts = []
    for row, line in enumerate(counts):
        total = sum(line)
        for column, count in enumerate(line):
            if count:
                x, y, look = left + column * cell, top + row * cell, _shade(count / total, hit=row == column)
                title = element("title", f"{names[row]} taken for {names[column]}: {count} of {total}")
                parts.append(element("rect", title, x=x, y=y, width=cell, height=cell, class_=f"cell {look}"))
                if cell >= _WRITTEN and len(str(count)) * 7 < cell:
                    at = {"x": x + cell / 2, "y": y + cell / 2 + 4}
                    parts.append(element("text", str(count), **at, class_=f"count {look}-on"))
    return parts


def _joined(
    counts: Sequence[Sequence[int]], _names: Sequence[str], cell: float, left: float, top: float
) -> list[Svg]:  # fmt: skip
    shades: dict[str, list[str]] = {}
    for row, line in enumerate(counts):
        total = sum(line)
        for column, count in enumerate(line):
            if count:
                corner = f"M{left + column * cell:.1f} {top + row * cell:.1f}h{cell:.1f}v{cell:.1f}h-{cell:.1f}z"
                shades.setdefault(_shade(count / total, hit=row == column), []).append(corner)
    return [element("path", d="".join(corners), class_=f"cell {look}") for look, corners in shades.items()]


def columns(
    names: Sequence[str], parts: Sequence[tuple[str, Sequence[int]]], *, size: tuple[float, float] = (1080, 260)
) -> Svg:
    """A column a class, the named ``parts`` of its count one on the other in the page's colours."""
    frame = Frame(*size, bottom=30)
    totals = [sum(counts) for counts in zip(*(counts for _, counts in parts), strict=True)]
    y = Axis(label="images", scale=Linear(0, max(totals) * 1.02, whole=True))
    width = (frame.x(1) - frame.x(0)) / len(names)
    drawn: list[Svg] = []
    for tick in y.scale.ticks():
        level = frame.y(tick.at)
        drawn.append(element("line", x1=frame.x(0), x2=frame.x(1), y1=level, y2=level, class_="grid"))
        drawn.append(element("text", tick.label, x=frame.x(0) - 8, y=level + 4, class_="tick end"))
    for index, (name, tick) in enumerate(zip(names, Category(tuple(map(str, range(len(names))))).ticks(), strict=True)):
        told = element("title", f"{name}: " + ", ".join(f"{counts[index]} {label}" for label, counts in parts))
        bottom, boxes = 0, []
        for colour, (_, counts) in enumerate(parts, start=1):
            low, high = y.scale.place(bottom) or 0.0, y.scale.place(bottom + counts[index]) or 0.0
            bottom += counts[index]
            boxes.append(
                element("rect", x=frame.x(tick.at) - width * 0.4, y=frame.y(high), width=width * 0.8,
                        height=frame.y(low) - frame.y(high), class_=f"column colour-{colour}")
            )  # fmt: skip
        drawn.append(element("g", told, *boxes))
    drawn.append(element("text", f"{len(names)} classes, by their number of images", x=(frame.x(0) + frame.x(1)) / 2,
                         y=frame.height - 8, class_="name middle"))  # fmt: skip
    return picture(size, "Images by class", drawn)
