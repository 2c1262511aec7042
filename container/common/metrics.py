"""The metrics line: its format and, beside it, the regexes that read it back.

Training prints one line an epoch from rank 0 and one at the end for the test split:

    epoch=3 train:loss=0.4121 train:accuracy=0.8812 validation:loss=0.3977 … images_per_second=412.7
    test:loss=0.4010 test:accuracy=0.8930 test:f1=0.8842

SageMaker reads values out of the log by regex (``AlgorithmSpecification.MetricDefinitions``).

    >>> line = format_line({"epoch": 3, "validation:loss": 0.39771})
    >>> line
    'epoch=3 validation:loss=0.3977'
    >>> parse_line(line)["validation:loss"]
    0.3977
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NUMBER = r"([0-9.eE+-]+)"

SPLITS = ("train", "validation", "test")

EPOCH_METRICS: tuple[str, ...] = (
    "epoch",
    "train:loss",
    "train:accuracy",
    "validation:loss",
    "validation:accuracy",
    "validation:f1",
    "images_per_second",
)
TEST_METRICS: tuple[str, ...] = ("test:loss", "test:accuracy", "test:f1")
METRICS: tuple[str, ...] = EPOCH_METRICS + TEST_METRICS

# Lines that carry metrics start so; everything else in a log is prose.
_LINE = re.compile(r"^(?:epoch=|test:loss=)")


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
