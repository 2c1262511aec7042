"""What comes of a training, in a figure and a few sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from container.train.report.record import Document, Record

Tone = Literal["good", "fair", "bad"]

# SageMaker's words, as rules.json has them.
_ISSUES, _NO_ISSUES, _ERROR, _IN_PROGRESS = "IssuesFound", "NoIssuesFound", "Error", "InProgress"
# Points that auto lets a cheaper precision lose, and a rounding.
_ALLOWED = 0.305
# Standard deviations that hold 95 % of a normal distribution.
_Z = 1.96


@dataclass(frozen=True)
class Remark:
    """A sentence, and whether it is good news."""

    tone: Tone
    text: str


@dataclass(frozen=True)
class Verdict:
    """The accuracy, on which split and how sure; what else is to be known; "" and None where nothing was judged."""

    accuracy: float | None
    what: str
    remarks: list[Remark]


def verdict(record: Record) -> Verdict:
    """What the page says first."""
    split = record.judged
    accuracy = record.metrics.get("metrics", {}).get(f"{split}:accuracy")
    remarks = list(_remarks(record, accuracy))
    if accuracy is None:
        return Verdict(None, "", remarks)
    images = sum(row.support for row in record.table)
    what = f"{split} accuracy"
    if images:
        low, high = interval(accuracy, images)
        what += f" on {images:,} images (between {percent(low)} and {percent(high)} with 95 % confidence)"
    if record.metrics.get("best_epoch"):
        what += f", by the network of epoch {record.metrics['best_epoch']}"
    return Verdict(accuracy, what, remarks)


def _remarks(record: Record, accuracy: float | None) -> Iterator[Remark]:
    yield from _endings(record)
    yield from _guessing(record, accuracy)
    yield from _rules(record.rules, "rule")
    yield from _rules(record.profile.get("rules", []), "profiler rule")
    yield from _export(record)
    bad = sum(len(files) for files in record.metrics.get("bad_files", {}).values())
    if bad:
        yield Remark(
            "fair", f"{_count(bad, 'file')} gave no usable image and {'was' if bad == 1 else 'were'} left out."
        )


def _endings(record: Record) -> Iterator[Remark]:
    """Why training ended before its last epoch."""
    done, wanted = len(record.history), record.configuration.get("epochs", "")
    of = f" of {wanted}" if wanted else ""
    if record.metrics.get("stopped_by"):
        why = str(record.metrics["stopped_by"]).rstrip(".")
        yield Remark("bad", f"After {_count(done, 'epoch')}{of}, training was {why}.")
    elif record.metrics.get("best_epoch") and wanted.isdigit() and done < int(wanted):
        patience = record.configuration.get("early-stopping-patience", "")
        yield Remark(
            "fair",
            f"Training stopped early, after epoch {done}{of}: no lower validation loss for {patience} epochs.",
        )


def _guessing(record: Record, accuracy: float | None) -> Iterator[Remark]:
    images = sum(row.support for row in record.table)
    if accuracy is None or not images:
        return
    commonest = max(record.table, key=lambda row: row.support)
    share = commonest.support / images
    if interval(accuracy, images)[0] <= share:
        yield Remark(
            "bad",
            f"This is not surely better than always answering '{commonest.name}', which gives {percent(share)}.",
        )
    never = [row.name for row in record.table if row.support and not row.recall]
    if never:
        named = ", ".join(never[:5]) + (f" and {len(never) - 5} more" if len(never) > 5 else "")
        yield Remark("bad", f"{_count(len(never), 'class', 'classes')} never recognized: {named}.")


def _rules(rules: list[Document] | object, kind: str) -> Iterator[Remark]:
    states: dict[str, list[str]] = {}
    for rule in rules if isinstance(rules, list) else []:
        states.setdefault(rule["RuleEvaluationStatus"], []).append(rule["RuleConfigurationName"])
    if found := states.get(_ISSUES):
        yield Remark("bad", f"{_count(len(found), kind)} found issues: {', '.join(found)}.")
    elif fine := states.get(_NO_ISSUES):
        yield Remark("good", f"{_count(len(fine), kind)} found no issues.")
    if broken := states.get(_ERROR):
        yield Remark("fair", f"{_count(len(broken), kind)} could not be evaluated: {', '.join(broken)}.")
    if left := states.get(_IN_PROGRESS):
        yield Remark("fair", f"{_count(len(left), kind)} had not come to an end: {', '.join(left)}.")


def _export(record: Record) -> Iterator[Remark]:
    name, tried = exported(record)
    if name not in tried:
        return
    chosen, full = tried[name], tried.get("fp32", tried[name])
    text = f"Exported as {name}: {percent(chosen['validation_accuracy'])} on validation, {_ms(chosen)} an image"
    if chosen is full:
        yield Remark("good", text + ".")
        return
    points = 100 * (chosen["validation_accuracy"] - full["validation_accuracy"])
    more = f"{abs(points):.2f} points {'more' if points > 0 else 'less'} than"
    cost = "as accurate as" if abs(points) < 0.005 else more
    yield Remark("good" if points > -_ALLOWED else "fair", f"{text}; {cost} fp32, which takes {_ms(full)}.")


def _ms(tried: dict[str, float]) -> str:
    return f"{tried['latency_ms']:.3g} ms"


def exported(record: Record) -> tuple[str, dict[str, dict[str, float]]]:
    """The name of the precision that was chosen, and what each precision tried gave."""
    words = record.metrics.get("exported") or {}
    tried = record.metrics.get("precisions") or {}
    name = str(words.get("precision", ""))
    # A model of fp32 weights may be one that is run in bf16.
    run = str(words.get("inference_precision", ""))
    return (run if name == "fp32" and run in tried else name), tried


def interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval of 95 % for a share of ``count`` images."""
    centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def percent(share: float) -> str:
    """93.2 %"""
    return f"{100 * share:.1f} %"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
