"""The page's charts: curves, a rule's evidence, where time went, what was used, and the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from statistics import fmean
from typing import Any

from container.common.charts.plots import Axis, Band, Frame, Line, lines, picture
from container.common.charts.scales import Linear, Scale, around, short
from container.common.charts.svg import Svg, element, shortened
from container.common.durations import unit
from container.train.report.record import Document, Record

# Colours by number, the same all over the page.
COLOURS = {"train": 1, "validation": 2, "test": 3}
_MODES = {"TRAIN": "train", "EVAL": "validation", "GLOBAL": "all steps", "PREDICT": "predict"}
# More points than this cannot be told apart.
_POINTS = 400
_WIDE, _NARROW = (520.0, 280.0), (360.0, 250.0)
_ROWS = 8
# Of a time axis: narrower parts cannot be told apart.
SLICES = 300


@dataclass(frozen=True)
class Figure:
    """A chart for a wide place, and another for a narrow one."""

    title: str
    wide: Svg
    narrow: Svg
    # (label, colour) of each line.
    key: Sequence[tuple[str, int]] = ()
    # What the upright line is.
    at: str = ""


@dataclass(frozen=True)
class Bar:
    """A part of a whole, with what is written at its end."""

    name: str
    share: float
    text: str


def curves(record: Record) -> list[Figure]:
    """Loss and accuracy by epoch, and the loss of single steps."""
    best = record.metrics.get("best_epoch")
    found = []
    for quantity in ("loss", "accuracy"):
        drawn = _by_epoch(record, quantity)
        if drawn:
            x = _epochs(record)
            y = Axis(label=quantity, scale=_upright(drawn, most=1.0 if quantity == "accuracy" else None))
            title = f"{quantity.capitalize()} by epoch"
            found.append(_both(title, drawn, x, y, at=best, told="the epoch that is kept" if best else ""))
    by_step = [
        Line(label=_MODES.get(mode, mode.lower()), colour=2 if mode == "EVAL" else 1, points=_thinned(points))
        for mode, points in record.losses.items()
    ]
    for line in sorted(by_step, key=lambda each: each.colour):
        x = Axis(label=f"{line.label} step", scale=_level(line.points))
        y = Axis(label="loss", scale=_upright([line]))
        found.append(_both(f"Cross entropy of {line.label} steps, as smdebug saved it", [line], x, y))
    return found


def _by_epoch(record: Record, quantity: str) -> list[Line]:
    return [
        Line(label=split, colour=COLOURS[split], points=points)
        for split in ("train", "validation")
        if (points := _series(record.history, f"{split}:{quantity}"))
    ]


def _epochs(record: Record) -> Axis:
    numbers = [each["epoch"] for each in record.history]
    return Axis(label="epoch", scale=Linear(min(numbers) - 0.2, max(numbers) + 0.2, whole=True))


def evidence(rule: Document, record: Record) -> Svg | None:
    """What a rule's findings rest on: losses and the step, or the value of each tensor and the threshold."""
    findings = rule.get("findings", [])
    if not findings:
        return None
    first = findings[0]
    if {"training_loss", "validation_loss"} <= set(first.get("values", {})) and (drawn := _by_epoch(record, "loss")):
        return lines(drawn, _epochs(record), Axis(label="loss", scale=_upright(drawn)), size=(360, 200))
    mode = next((each for each in (first.get("mode"), "TRAIN") if each in record.losses), None)
    if mode and "loss" in str(first.get("tensor", "")).lower():
        line = Line(label=_MODES.get(mode, mode), colour=COLOURS.get(_MODES.get(mode, ""), 1),
                    points=_thinned(record.losses[mode]))  # fmt: skip
        x, y = Axis(label=f"{line.label} step", scale=_level(line.points)), Axis(label="loss", scale=_upright([line]))
        return lines([line], x, y, size=(360, 200), at=first["step"] if mode == first.get("mode") else None)
    name, threshold = _subject(first.get("values", {}))
    rows = [
        (f"{each['tensor']} @ {each['step']}", float(value))
        for each in findings
        if isinstance(value := each.get("values", {}).get(name), int | float) and isfinite(value)
    ]
    return _marks(name, rows[:_ROWS], threshold) if rows else None


def _subject(values: Mapping[str, Any]) -> tuple[str, float | None]:
    """The value a finding is about, the first, and its threshold."""
    numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
    threshold = next((value for name, value in numbers.items() if "threshold" in name), None)
    return next((name for name in numbers if "threshold" not in name), ""), threshold


def _marks(name: str, rows: Sequence[tuple[str, float]], threshold: float | None) -> Svg:
    """A value a tensor on a level axis, and the threshold as an upright line."""
    values = [value for _, value in rows] + ([] if threshold is None else [threshold])
    scale, height = around(values), 26.0
    frame = Frame(360, 46 + height * len(rows), left=12, top=8, bottom=38)
    parts = []
    for tick in scale.ticks():
        x = frame.x(tick.at)
        parts.append(element("line", x1=x, x2=x, y1=frame.top, y2=frame.y(0), class_="grid"))
    words: list[Svg] = []
    taken = 0.0
    for tick in scale.ticks():
        x, half = frame.x(tick.at), len(tick.label) * 3.1
        if x - half > taken and x + half < frame.width:
            words.append(element("text", tick.label, x=x, y=frame.y(0) + 15, class_="tick middle"))
            taken = x + half + 6
    if threshold is not None and (at := scale.place(threshold)) is not None:
        title = element("title", f"threshold {short(threshold)}")
        parts.append(element("line", title, x1=frame.x(at), x2=frame.x(at), y1=frame.top, y2=frame.y(0), class_="at"))
    for index, (tensor, value) in enumerate(rows):
        y, place = frame.top + height * (index + 0.7), scale.place(value)
        if place is None:
            continue
        title = element("title", f"{tensor}: {short(value)}")
        parts.append(element("circle", title, cx=frame.x(place), cy=y, r=4.5, class_="mark dot bad"))
        left = place > 0.5
        text = shortened(tensor, (place if left else 1 - place) * (frame.width - 30) - 14, per_character=6.2)
        parts.append(element("text", element("title", tensor), text, x=frame.x(place) + (-9 if left else 9), y=y + 4,
                             class_="tick over" + (" end" if left else "")))  # fmt: skip
    told = name.replace("_", " ")
    words.append(element("text", told, x=frame.x(0.5), y=frame.height - 3, class_="name middle"))
    return picture((frame.width, frame.height), f"{told} by tensor", [*parts, *words])


def phases(profile: Document) -> list[Bar]:
    """Where the job's time went."""
    seconds: dict[str, float] = {}
    for each in profile.get("phases", []):
        seconds[each["name"]] = seconds.get(each["name"], 0.0) + each["seconds"]
    total = max(profile.get("seconds") or 0.0, sum(seconds.values()))
    if not total or not seconds:
        return []
    rest = total - sum(seconds.values())
    if rest > 0.005 * total:
        seconds["other"] = rest
    return [Bar(name, spent / total, _seconds(spent)) for name, spent in seconds.items()]


def when(phases: Sequence[Document], end: float) -> list[Band]:
    """What the job was at, from its beginning to ``end`` in seconds: of each SLICE what took most of it."""
    width = end / SLICES
    spent: list[dict[str, float]] = [{} for _ in range(SLICES)]
    for each in phases:
        # A profile by an earlier version has no spans.
        for start, stop in each.get("spans") or [(each["start"], each["start"] + each["seconds"])]:
            for index in range(max(0, int(start / width)), min(SLICES, int(stop / width) + 1)):
                part = min(stop, (index + 1) * width) - max(start, index * width)
                if part > 0:
                    spent[index][each["name"]] = spent[index].get(each["name"], 0.0) + part
    names = [max(slice_, key=slice_.__getitem__) if slice_ else "" for slice_ in spent]
    found: list[Band] = []
    begin = 0
    for name, same in groupby(names):
        last, begin = begin, begin + len(list(same))
        if name:
            found.append(Band(name, last * width, begin * width))
    return found


def step_parts(profile: Document) -> list[Bar]:
    """What a training step consists of."""
    parts = {name: ms for name, ms in (profile.get("steps") or {}).get("parts_ms", {}).items() if ms is not None}
    total = sum(parts.values())
    return [Bar(name, ms / total, f"{ms:.3g} ms") for name, ms in parts.items()] if total > 0 else []


def _seconds(spent: float) -> str:
    return f"{spent:.1f} s" if spent < 60 else f"{spent / 60:.1f} min" if spent < 3600 else f"{spent / 3600:.1f} h"


# Name of the series in summary.json, what is written, a label's unit, and how high its axis goes at least.
_USED = (
    ("cpu", "Processors", "%", 100.0),
    ("memory_mb", "Memory", "GB", None),
    ("gpu", "GPU", "%", 100.0),
    ("gpu_memory_mb", "GPU memory", "GB", None),
    ("disk_read_mb_s", "Disk reading", "MB/s", None),
    ("disk_write_mb_s", "Disk writing", "MB/s", None),
    ("network_mb_s", "Network", "MB/s", None),
)


def utilization(profile: Document) -> list[Figure]:
    """What the machine did over time, with the job's phases behind it."""
    series = profile.get("series") or {}
    times = series.get("time") or []
    if not times:
        return []
    name, seconds = unit(times[-1])
    x = Axis(label=name, scale=Linear(0.0, max(times[-1], 1e-3) / seconds))
    bands = [
        Band(each.label, each.start / seconds, each.end / seconds)
        for each in when(profile.get("phases", []), max(times[-1], 1e-3))
    ]
    found = []
    for key, title, label, most in _USED:
        drawn = list(_used(series.get(key), times, seconds, scale=1 / 1000 if key.endswith("memory_mb") else 1.0))
        if not drawn:
            continue
        highest = max(value for line in drawn for _, value in line.points)
        if not highest and most is None:
            continue  # a disk or a network that was never used
        y = Axis(label=label, scale=Linear(0.0, most or highest * 1.08))
        found.append(_both(f"{title}, {label}", drawn, x, y, bands=bands))
    return found


def _used(values: Any, times: Sequence[float], seconds: float, *, scale: float) -> Iterator[Line]:
    """The mean of several (cores, GPUs) and the busiest of them; or the one there is."""
    if not values:
        return
    several = [each if isinstance(each, list) else [each] for each in values]
    pairs = [
        (time / seconds, [scale * value for value in each if value is not None])
        for time, each in zip(times, several, strict=False)
    ]
    pairs = [(time, each) for time, each in pairs if each]
    if any(len(each) > 1 for _, each in pairs):
        yield Line(label="busiest", colour=4, points=[(time, max(each)) for time, each in pairs])
        yield Line(label="mean", colour=1, points=[(time, fmean(each)) for time, each in pairs])
    elif pairs:
        yield Line(label="", colour=1, points=[(time, each[0]) for time, each in pairs])


def _series(history: Sequence[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    return [(each["epoch"], each[name]) for each in history if name in each and isfinite(each[name])]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most _POINTS, each the mean of its neighbours; the first and the last stay where they are."""
    if len(points) <= _POINTS:
        return list(points)
    every = len(points) / _POINTS
    groups = [points[int(index * every) : int((index + 1) * every)] for index in range(_POINTS)]
    return [(fmean(x for x, _ in group), fmean(y for _, y in group)) for group in groups]


def _level(points: Sequence[tuple[float, float]]) -> Scale:
    first, last = points[0][0], points[-1][0]
    return Linear(first, last, whole=True) if last > first else Linear(first - 0.5, last + 0.5, whole=True)


def _upright(drawn: Sequence[Line], *, most: float | None = None) -> Scale:
    values = [value for line in drawn for _, value in line.points]
    scale = around(values)
    if most is not None and isinstance(scale, Linear):
        return Linear(max(0.0, scale.low), min(most, scale.high))
    return Linear(max(0.0, scale.low), scale.high) if isinstance(scale, Linear) and min(values) >= 0 else scale


def _both(
    title: str,
    drawn: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    at: float | None = None,
    bands: Sequence[Band] = (),
    told: str = "",
) -> Figure:
    wide, narrow = (lines(drawn, x, y, size=size, at=at, bands=bands) for size in (_WIDE, _NARROW))
    key = [(line.label, line.colour) for line in drawn] if len(drawn) > 1 else []
    return Figure(title, wide, narrow, key, told)
