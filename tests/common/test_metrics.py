"""The metrics line and the regexes that read it are two halves of one thing."""

from __future__ import annotations

import re

import pytest

from container.common import metrics
from container.common.metrics import Progress

VALUES = {
    "epoch": 3,
    "train:loss": 0.4121,
    "train:accuracy": 0.8812,
    "validation:loss": 0.3977,
    "validation:accuracy": 0.8904,
    "validation:f1": 0.8711,
    "images_per_second": 412.7,
}


def test_the_line_reads_as_documented() -> None:
    assert metrics.format_line(VALUES) == (
        "epoch=3 train:loss=0.4121 train:accuracy=0.8812 validation:loss=0.3977 "
        "validation:accuracy=0.8904 validation:f1=0.8711 images_per_second=412.7"
    )


def test_each_regex_finds_its_own_value_and_no_other() -> None:
    line = metrics.format_line(VALUES)
    for definition in metrics.metric_definitions():
        match = re.search(definition["Regex"], line)
        assert (match is not None) == (definition["Name"] in VALUES)
        if match:
            assert float(match.group(1)) == pytest.approx(VALUES[definition["Name"]])


@pytest.mark.parametrize("value", [1e-7, 3.2e-5, 0.0, 123456.789, 12, 1.0])
def test_very_small_and_very_large_values_survive(value: float) -> None:
    line = metrics.format_line({"epoch": 1, "train:loss": value})
    assert metrics.parse_line(line)["train:loss"] == pytest.approx(value, rel=1e-3)


def test_prose_is_no_metrics_line() -> None:
    assert metrics.parse_line("Loaded 200 images; validation:loss=0.1 is what we hope for") == {}
    assert metrics.parse_line("epoch=1 train:loss=nan") == {"epoch": 1.0}


def test_errors_of_ordered_classes_stand_at_the_lines_ends_and_are_read_back() -> None:
    line = metrics.format_line({**VALUES, "validation:mae": 0.25, "validation:rmse": 0.5})
    assert line.endswith("images_per_second=412.7 validation:mae=0.2500 validation:rmse=0.5000")
    assert metrics.parse_line(line)["validation:rmse"] == 0.5
    assert metrics.parse_line("test:loss=0.4 test:mae=0.2500")["test:mae"] == 0.25


def test_the_kept_epochs_line_is_a_metrics_line_without_an_epoch() -> None:
    line = metrics.format_line(dict.fromkeys(metrics.KEPT_METRICS, 0.5))
    assert metrics.parse_line(line) == dict.fromkeys(metrics.KEPT_METRICS, 0.5)


def test_sagemakers_limit_on_metric_definitions_is_kept() -> None:
    assert len(metrics.metric_definitions()) <= 40


def test_progress_reads_back_and_is_never_taken_for_a_metric() -> None:
    at = Progress(stage="train", done=640, total=2400, round=3, rounds=10, rate=412.7, loss=0.4121, accuracy=0.8812)
    line = metrics.format_progress(at)
    assert metrics.parse_progress(line) == at
    assert metrics.parse_line(line) == {}
    assert not any(re.search(d["Regex"], line) for d in metrics.metric_definitions())
    assert metrics.parse_progress("progress stage=train done=x total=3") is None
    assert metrics.parse_progress("epoch=1") is None
