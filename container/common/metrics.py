"""The metrics line: its format and, beside it, the regexes that read it back.

Training prints one line an epoch from rank 0. At the end come the metrics of the epoch that is kept, with
its number, and the test split's:

    epoch=3 train:loss=0.4121 train:accuracy=0.8812 validation:loss=0.3977 … images_per_second=412.7
    validation:loss=0.3977 … train:loss=0.4121 train:accuracy=0.8812 images_per_second=412.7 best_epoch=3
    test:loss=0.4010 test:accuracy=0.8930 test:f1=0.8842

Where the classes are ordered numbers, mae and rmse of validation and test stand at their lines' ends.

SageMaker reads values out of the log by regex (``AlgorithmSpecification.MetricDefinitions``) and takes the
last of a metric for the job's own: what it, and a tuning job, judges by is thus the exported model. ``epoch``
alone stays the last that was trained.

    >>> line = format_line({"epoch": 3, "validation:loss": 0.39771})
    >>> line
    'epoch=3 validation:loss=0.3977'
    >>> parse_line(line)["validation:loss"]
    0.3977
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

NUMBER = r"([0-9.eE+-]+)"

EPOCH_METRICS: tuple[str, ...] = (
    "epoch",
    "train:loss",
    "train:accuracy",
    "validation:loss",
    "validation:accuracy",
    "validation:f1",
    "images_per_second",
)
# Of the epoch that is kept, once more, and which one it is.
BEST_EPOCH = "best_epoch"
KEPT_METRICS: tuple[str, ...] = (
    "validation:loss",
    "validation:accuracy",
    "validation:f1",
    "train:loss",
    "train:accuracy",
    "images_per_second",
    BEST_EPOCH,
)
# With ordered-classes alone: how far off predictions are, in the unit of the classes' names.
ORDERED_METRICS: tuple[str, ...] = ("validation:mae", "validation:rmse")
TEST_METRICS: tuple[str, ...] = ("test:loss", "test:accuracy", "test:f1", "test:mae", "test:rmse")
METRICS: tuple[str, ...] = (*EPOCH_METRICS, *ORDERED_METRICS, BEST_EPOCH, *TEST_METRICS)

# Lines that carry metrics start so; everything else in a log is prose.
_LINE = re.compile(r"^(?:epoch=|validation:loss=|test:loss=)")


def regex(name: str) -> str:
    """The regex that finds metric ``name`` in a line; its one group is the value."""
    # Anchored on a space or the line's start, so that no name is found inside a longer one.
    return rf"(?:^|\s){re.escape(name)}={NUMBER}"


def metric_definitions(names: tuple[str, ...] = METRICS) -> list[dict[str, str]]:
    """``AlgorithmSpecification.MetricDefinitions`` of a training request."""
    return [{"Name": name, "Regex": regex(name)} for name in names]


def format_line(values: Mapping[str, float | int]) -> str:
    """One metrics line, values in the given order: integers whole, others to four decimals.

    Losses below 1e-3 keep four significant digits, so that a converged run is not all zeros.
    """
    return " ".join(f"{name}={_number(value)}" for name, value in values.items())


def _number(value: float | int) -> str:
    if isinstance(value, int):
        return str(value)
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.3e}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4f}"


def parse_line(line: str) -> dict[str, float]:
    """The metrics in one log line; empty when it is not a metrics line."""
    if not _LINE.match(line):
        return {}
    found: dict[str, float] = {}
    for name in METRICS:
        match = re.search(regex(name), line)
        if match:
            try:
                found[name] = float(match.group(1))
            except ValueError:
                continue  # "nan" has no digits to match and never gets here; "e+" would
    return found


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a job is, for a progress bar; printed every few seconds between metrics lines.

        progress stage=train round=3 rounds=10 done=640 total=2400 rate=412.7 loss=0.4121 accuracy=0.8812

    ``stage`` is decode, features, train, evaluate or export; ``round`` of ``rounds`` is the epoch;
    ``done`` of ``total`` counts images within it; ``rate`` is images a second. No word here matches a
    metric's regex.
    """

    stage: str
    done: int
    total: int
    round: int = 0
    rounds: int = 0
    rate: float = 0.0
    loss: float | None = None
    accuracy: float | None = None


def format_progress(progress: Progress) -> str:
    """One progress line; what is not known is left out."""
    values = {f.name: getattr(progress, f.name) for f in fields(progress)}
    shown = {k: v for k, v in values.items() if v is not None and (v or k in ("done", "total"))}
    return "progress " + " ".join(f"{k}={v if isinstance(v, str) else _number(v)}" for k, v in shown.items())


def parse_progress(line: str) -> Progress | None:
    """The progress in one log line, or None when it is another line."""
    if not line.startswith("progress stage="):
        return None
    pairs = dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)
    try:
        whole = {k: int(pairs[k]) for k in ("done", "total", "round", "rounds") if k in pairs}
        real = {k: float(pairs[k]) for k in ("rate", "loss", "accuracy") if k in pairs}
        return Progress(stage=pairs["stage"], **whole, **real)  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError):
        return None
