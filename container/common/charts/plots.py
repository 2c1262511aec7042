"""Charts as inline SVG. Colours, sizes of text and strokes are the page's, by class; `page.css` has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from container.common.charts.scales import Category, Scale, Tick, Value, short
from container.common.charts.svg import Svg, element, path, shortened

Mark = Literal["dot", "ring", "cross"]
Point2D = tuple[float, float]

# How many shades lines are told apart by, from the worst to the best.
SHADES = 5
_GAP = 8.0
_CHARACTER = 6.2
_LINE = 13.0
_GOLDEN = 0.618034
# Lines of no more points show each of them.
_DOTTED = 40


@dataclass(frozen=True, kw_only=True)
class Point:
    """Something measured; ``y`` of None stands on the chart's floor."""

    x: Value
    y: float | None
    mark: Mark
    # Shown when pointed at.
    title: str
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class Strand:
    """One line through all axes, with a shade from 0 to SHADES - 1, or None for none."""

    values: Sequence[Value | None]
    shade: int | None
    title: str
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """A series of points, in the page's ``colour`` of that number (1 to 4)."""

    label: str
    points: Sequence[Point2D]
    colour: int = 1


@dataclass(frozen=True)
class Band:
    """A named part of a level axis."""

    label: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis and what is written beside it."""

    label: str
    scale: Scale


@dataclass(frozen=True)
class Frame:
    """The place of the drawing within its margins, in pixels."""

    width: float
    height: float
    left: float = 56
    right: float = 16
    top: float = 14
    bottom: float = 44

    def x(self, at: float) -> float:
        return self.left + at * (self.width - self.left - self.right)

    def y(self, at: float) -> float:
        return self.height - self.bottom - at * (self.height - self.top - self.bottom)


def scatter(
    points: Sequence[Point], x: Axis, y: Axis, *, size: tuple[float, float] = (360, 250), steps: bool = False,
    maximize: bool = True,
) -> Svg:  # fmt: skip
    """Points over two axes; with ``steps`` also the best so far from left to right."""
    frame = Frame(*size)
    parts = [_grid(frame, x, y)]
    placed = [(point, at) for point in points if (at := _placed(frame, point, x.scale, y.scale)) is not None]
    if steps:
        parts.append(_best_so_far(frame, placed, maximize=maximize))
    # The best is drawn last, so that nothing hides it.
    parts += [_drawn(point, at) for point, at in sorted(placed, key=lambda pair: pair[0].best)]
    return picture(size, f"{y.label} against {x.label}", parts)


def _placed(frame: Frame, point: Point, x: Scale, y: Scale) -> Point2D | None:
    across = x.place(point.x)
    up = 0.0 if point.y is None else y.place(point.y)
    return None if across is None or up is None else (frame.x(across), frame.y(up))


def spread(points: Sequence[Point], scale: Category) -> list[Point]:
    """Points of one category side by side, on the places of `Spread(scale)`."""
    width = 0.55 / len(scale.values)
    moved = []
    for index, point in enumerate(points):
        at = scale.place(point.x)
        if at is not None:
            aside = ((index * _GOLDEN) % 1 - 0.5) * width
            moved.append(Point(x=at + aside, y=point.y, mark=point.mark, title=point.title, best=point.best))
    return moved


@dataclass(frozen=True)
class Spread:
    """A category axis for points that `spread` has given their places."""

    category: Category

    def place(self, value: Value) -> float | None:
        return float(value)

    def ticks(self) -> list[Tick]:
        return self.category.ticks()


def _drawn(point: Point, at: Point2D) -> Svg:
    x, y = at
    title = element("title", point.title)
    if point.best:
        return element("g", element("circle", cx=x, cy=y, r=9, class_="halo"), _mark(point, x, y, title))
    return _mark(point, x, y, title)


def _mark(point: Point, x: float, y: float, title: Svg) -> Svg:
    look = f"mark {point.mark}" + (" best" if point.best else "")
    if point.mark == "cross":
        d = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
        return element("path", title, d=d, class_=look)
    return element("circle", title, cx=x, cy=y, r=4.5, class_=look)


def _best_so_far(frame: Frame, placed: Sequence[tuple[Point, Point2D]], *, maximize: bool) -> Svg:
    corners: list[Point2D] = []
    best: float | None = None
    for point, (x, y) in sorted(placed, key=lambda pair: pair[1][0]):
        if point.y is None or (best is not None and (point.y <= best if maximize else point.y >= best)):
            continue
        corners += [(x, corners[-1][1])] if corners else []
        corners.append((x, y))
        best = point.y
    if not corners:
        return Svg()
    corners.append((frame.x(1), corners[-1][1]))
    return element("path", d=path(corners), class_="so-far")


def _grid(frame: Frame, x: Axis, y: Axis) -> Svg:
    lines, words = [], []
    for tick in y.scale.ticks():
        level = frame.y(tick.at)
        lines.append(element("line", x1=frame.x(0), x2=frame.x(1), y1=level, y2=level, class_="grid"))
        words.append(
            element("text", shortened(tick.label, frame.left - 10), x=frame.x(0) - _GAP, y=level + 4, class_="tick end")
        )
    floor = frame.y(0)
    lines.append(element("line", x1=frame.x(0), x2=frame.x(1), y1=floor, y2=floor, class_="axis"))
    words += _along(frame, x.scale, floor + 17)
    words.append(element("text", x.label, x=(frame.x(0) + frame.x(1)) / 2, y=frame.height - 6, class_="name middle"))
    return element("g", *lines, *words)


def _along(frame: Frame, scale: Scale, y: float) -> list[Svg]:
    """What is written along a level axis: as much as fits."""
    ticks = scale.ticks()
    room = max(40.0, (frame.x(1) - frame.x(0)) / max(1, len(ticks)) - _GAP)
    words: list[Svg] = []
    taken = 0.0
    for tick in ticks:
        text = shortened(tick.label, room, per_character=_CHARACTER)
        half = len(text) * _CHARACTER / 2
        # The outermost may lean inwards, and never leave the picture.
        x = min(max(frame.x(tick.at), half + 2), frame.width - half - 2)
        if x - half >= taken:
            words.append(element("text", element("title", tick.label), text, x=x, y=y, class_="tick middle over"))
            taken = x + half + _GAP
    return words


def lines(
    drawn: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    size: tuple[float, float] = (360, 250),
    at: float | None = None,
    bands: Sequence[Band] = (),
) -> Svg:
    """Lines over two axes; ``at`` marks a place on the level one, ``bands`` shade parts of it."""
    frame = Frame(*size)
    parts = [_band(frame, band, x.scale, index) for index, band in enumerate(bands)]
    parts.append(_grid(frame, x, y))
    place = None if at is None else x.scale.place(at)
    if place is not None:
        parts.append(element("line", x1=frame.x(place), x2=frame.x(place), y1=frame.y(0), y2=frame.y(1), class_="at"))
    for line in drawn:
        corners = [spot for point in line.points if (spot := _spot(frame, point, x.scale, y.scale)) is not None]
        if corners:
            look = f"line colour-{line.colour}"
            parts.append(element("path", element("title", line.label), d=path(corners), class_=look))
        if len(corners) <= _DOTTED:
            parts += [
                element("circle", element("title", f"{line.label}\n{x.label} {short(across)}: {short(up)}"),
                        cx=spot[0], cy=spot[1], r=3, class_=f"point colour-{line.colour}")
                for (across, up), spot in zip(line.points, corners, strict=False)
            ]  # fmt: skip
    return picture(size, f"{y.label} against {x.label}", parts)


def _spot(frame: Frame, point: Point2D, x: Scale, y: Scale) -> Point2D | None:
    across, up = x.place(point[0]), y.place(point[1])
    return None if across is None or up is None else (frame.x(across), frame.y(up))


def _band(frame: Frame, band: Band, scale: Scale, index: int) -> Svg:
    """A part of the level axis, every other one shaded, with its name where there is room for it."""
    start, end = scale.place(band.start), scale.place(band.end)
    if start is None or end is None:
        return Svg()
    left, right = frame.x(max(0.0, start)), frame.x(min(1.0, end))
    title = element("title", band.label)
    box = element("rect", title, x=left, y=frame.top, width=max(0.5, right - left), height=frame.y(0) - frame.top,
                  class_=f"band band-{index % 2}")  # fmt: skip
    if len(band.label) * _CHARACTER > right - left:
        return box
    return element("g", box, element("text", band.label, x=(left + right) / 2, y=frame.top - 3, class_="tick middle"))


def parallel(axes: Sequence[Axis], strands: Sequence[Strand], *, width: float = 1080, height: float = 380) -> Svg:
    """Parallel coordinates with upright axes, for a wide place."""
    gap = width / len(axes)
    frame = Frame(width, height, left=gap / 2, right=gap / 2, top=44, bottom=16)
    places = [gap * (index + 0.5) for index in range(len(axes))]

    def upright(index: int, at: float) -> Point2D:
        return places[index], frame.y(at)

    parts = [_strand(strand, axes, upright) for strand in _ordered(strands)]
    for x, axis in zip(places, axes, strict=True):
        parts.append(element("line", x1=x, x2=x, y1=frame.y(0), y2=frame.y(1), class_="axis"))
        parts.append(
            element("text", element("title", axis.label), shortened(axis.label, gap - 6), x=x, y=20,
                    class_="name middle")
        )  # fmt: skip
        taken = height
        for tick in axis.scale.ticks():
            y = frame.y(tick.at)
            if taken - y >= _LINE:
                text = shortened(tick.label, gap - 12)
                parts.append(element("text", element("title", tick.label), text, x=x + 7, y=y + 4, class_="tick over"))
                taken = y
    return picture((width, height), _told(axes), parts)


def parallel_level(axes: Sequence[Axis], strands: Sequence[Strand], *, width: float = 360) -> Svg:
    """The same with level axes one below the other, for a narrow place."""
    row = 72.0
    height = row * len(axes)
    frame = Frame(width, height, left=18, right=18)
    levels = [row * index + 30 for index in range(len(axes))]

    def level(index: int, at: float) -> Point2D:
        return frame.x(at), levels[index]

    parts = [_strand(strand, axes, level) for strand in _ordered(strands)]
    for y, axis in zip(levels, axes, strict=True):
        parts.append(element("line", x1=frame.x(0), x2=frame.x(1), y1=y, y2=y, class_="axis"))
        parts.append(element("text", shortened(axis.label, width - 24), x=frame.x(0), y=y - 9, class_="name halo-text"))
        parts += _along(frame, axis.scale, y + 16)
    return picture((width, height), _told(axes), parts)


def _ordered(strands: Sequence[Strand]) -> list[Strand]:
    """The better, the later drawn."""
    return sorted(strands, key=lambda strand: (strand.best, -1 if strand.shade is None else strand.shade))


def _strand(strand: Strand, axes: Sequence[Axis], point: Callable[[int, float], Point2D]) -> Svg:
    """A line through the axes on which it has a value."""
    corners = []
    for index, (axis, value) in enumerate(zip(axes, strand.values, strict=True)):
        at = None if value is None else axis.scale.place(value)
        if at is not None:
            corners.append(point(index, at))
    look = "strand" + (" none" if strand.shade is None else f" shade-{strand.shade}") + (" best" if strand.best else "")
    return element("path", element("title", strand.title), d=path(corners), class_=look) if corners else Svg()


def _told(axes: Sequence[Axis]) -> str:
    return "Parallel coordinates: " + ", ".join(axis.label for axis in axes)


def picture(size: tuple[float, float], label: str, parts: Sequence[Svg]) -> Svg:
    """A whole drawing, with what it is for those who do not see it."""
    width, height = size
    return element("svg", *parts, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label)
