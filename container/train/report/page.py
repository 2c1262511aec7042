"""report.html: the page itself, and how a job leaves it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from container.common.charts import matrix
from container.common.charts.page import render
from container.common.charts.scales import short
from container.common.charts.svg import Svg
from container.common.errors import first_line
from container.common.hyperparameters import parse
from container.train import storage
from container.train.console import Console
from container.train.report import figures
from container.train.report.figures import Figure
from container.train.report.record import REPORT, Document, Record, Row, read
from container.train.report.verdict import exported, percent, verdict

_TEMPLATE = Path(__file__).parent / "templates" / "training.html.j2"
# Of more classes, the weakest stand first and images by class are drawn, not written.
_FEW = 24
_PAIRS = 15
# A name of more characters does not fit beneath a small picture.
_LONG = 12


@dataclass(frozen=True)
class Pair:
    """Images of one class taken for another, and their share of that class."""

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class Evaluated:
    """A rule that has findings, with a chart of what they rest on."""

    rule: Document
    chart: Svg | None


def leave(folder: Path, console: Console) -> None:
    """Write the job's page; a fault in it is a warning, since what it tells stands in the files beside it."""
    try:
        write(folder, name=os.environ.get("TRAINING_JOB_NAME", ""))
    except Exception as exc:
        # Whatever it is: a training is worth more than the page about it.
        console.warn(
            f"{folder / REPORT} could not be made ({type(exc).__name__}: {first_line(exc)}); the files beside it hold "
            "what it would have told"
        )


def write(folder: Path, *, name: str = "") -> Path:
    """Write report.html into ``folder``, a job's output/data; where it is. ``name`` is the job's."""
    path = folder / REPORT
    storage.write_text(path, page(read(folder), name=name))
    return path


def page(record: Record, *, name: str = "", now: datetime | None = None) -> str:
    """The page as HTML."""
    counts = record.metrics.get("images_by_class", {})
    names = [row.name for row in record.table] or list(next(iter(counts.values()), {}))
    chosen, tried = exported(record)
    given, usual = _configuration(record.configuration)
    rules = [*record.rules, *record.profile.get("rules", [])]
    return render(
        _TEMPLATE,
        name=name,
        record=record,
        made=f"{(now or datetime.now(UTC)).astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        status="Failed" if record.failure else "Completed" if "exported" in record.metrics else "InProgress",
        verdict=verdict(record),
        percent=percent,
        brief=_brief,
        curves=figures.curves(record),
        found=[Evaluated(rule, figures.evidence(rule, record)) for rule in rules if _is(rule, "IssuesFound")],
        silent=[rule for rule in rules if not _is(rule, "IssuesFound")],
        pairs=_pairs(record.confusion, names),
        heat=_heat(record.confusion, names),
        rows=_sorted(record.table),
        long=max((len(each) for each in names), default=0) > _LONG,
        many=len(names) > _FEW,
        weakest=_weakest(record.table),
        counts=counts,
        distribution=_distribution(counts),
        classes=_classes(counts) if len(names) <= _FEW else [],
        columns=_columns(counts) if len(names) > _FEW and counts else None,
        colours=figures.COLOURS,
        phases=figures.phases(record.profile),
        parts=figures.step_parts(record.profile),
        utilization=figures.utilization(record.profile),
        chosen=chosen,
        tried=tried,
        given=given,
        usual=usual,
    )


def _is(rule: Document, status: str) -> bool:
    return bool(rule.get("RuleEvaluationStatus") == status)


def _brief(value: Any) -> str:
    """A value of a finding as a person reads it."""
    return short(float(f"{value:.4g}")) if isinstance(value, float) else str(value)


def _heat(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> Figure | None:
    if not confusion:
        return None
    width = 620.0 if len(names) <= _FEW else 900.0
    return Figure("", matrix.heat(confusion, names, width=width), matrix.heat(confusion, names, width=350))


def _pairs(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> list[Pair]:
    """The classes most often taken for another."""
    found = [
        Pair(names[row], names[column], count, count / sum(line))
        for row, line in enumerate(confusion)
        for column, count in enumerate(line)
        if count and row != column
    ]
    return sorted(found, key=lambda pair: (-pair.count, -pair.share))[:_PAIRS]


def _sorted(table: Sequence[Row]) -> Sequence[Row]:
    return table if len(table) <= _FEW else sorted(table, key=lambda row: row.f1)


def _weakest(table: Sequence[Row]) -> list[Row]:
    """The classes that a person should look at first."""
    judged = sorted((row for row in table if row.support), key=lambda row: row.f1)
    return [row for row in judged[:5] if row.f1 < 1] if len(table) > 2 else []


def _distribution(counts: Mapping[str, Mapping[str, int]]) -> str:
    """How evenly the training images are spread over the classes."""
    training = counts.get("train", {})
    if not training:
        return ""
    least, most = (pick(training, key=lambda name: training[name]) for pick in (min, max))
    if training[least] == training[most]:
        return f"Every class has {training[most]} training images."
    text = f"From {training[least]} training images ({least}) to {training[most]} ({most})"
    return text + (f"; the median class has {median(training.values()):g}." if len(training) > 2 else ".")


def _classes(counts: Mapping[str, Mapping[str, int]]) -> list[tuple[str, list[tuple[str, int, float]]]]:
    """A class's images by split: (split, count, part of the largest class's total)."""
    names = next(iter(counts.values()), {})
    most = max((sum(split[name] for split in counts.values()) for name in names), default=1) or 1
    return [(name, [(split, of[name], of[name] / most) for split, of in counts.items()]) for name in names]


def _columns(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """The same for many classes, the largest first."""
    names = sorted(next(iter(counts.values())), key=lambda name: -sum(split[name] for split in counts.values()))
    parts = [(split, [of[name] for name in names]) for split, of in counts.items()]
    return Figure("", matrix.columns(names, parts), matrix.columns(names, parts, size=(360, 200)))


def _configuration(values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The hyperparameters that differ from their defaults, and those that do not."""
    defaults = parse({}).strings()
    given = {name: value for name, value in values.items() if defaults.get(name) != value}
    return given, {name: value for name, value in values.items() if name not in given}
