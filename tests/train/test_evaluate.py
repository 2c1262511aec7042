"""Accuracy, macro F1 and the tables, against figures worked out by hand; console and its rhythm."""

from __future__ import annotations

import io

import numpy as np
import pytest

from container.common.metrics import parse_progress
from container.train.console import Console, Meter
from container.train.evaluate import Evaluation


def evaluated(labels: list[int], predicted: list[int], classes: int = 3) -> Evaluation:
    logits = np.eye(classes, dtype=np.float32)[predicted] * 5
    return Evaluation.of(logits, np.array(labels))


def test_metrics_follow_from_the_confusion_matrix() -> None:
    found = evaluated([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0])
    assert found.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.table[0] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3})
    assert found.table[1] == pytest.approx({"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "support": 2})
    assert found.table[2] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert found.f1 == pytest.approx((2 / 3 + 0.8 + 0) / 3)


def test_a_class_that_is_nowhere_does_not_count_in_the_mean() -> None:
    assert evaluated([0, 1], [0, 1]).f1 == 1.0


def test_the_loss_is_the_plain_mean_cross_entropy() -> None:
    found = evaluated([0, 1], [0, 0])
    wrong, right = np.log(np.exp(5) + 2), np.log(np.exp(5) + 2) - 5
    assert found.loss == pytest.approx((wrong + right) / 2, rel=1e-5)


def test_progress_is_printed_every_two_seconds_at_most_and_only_by_the_first() -> None:
    clock, stream = iter(np.arange(0, 100, 0.5)), io.StringIO()
    console = Console(stream=stream, clock=lambda: float(next(clock)))
    meter = Meter(console, "train", 40, round=1, rounds=3)
    meter.add(0)
    assert not stream.getvalue(), "nothing is done yet, and nothing told"
    for _ in range(20):
        meter.add(2, now=lambda: (0.5, 0.75))
    lines = [parse_progress(line) for line in stream.getvalue().splitlines()]
    assert 2 <= len(lines) < 10
    assert all(line and line.stage == "train" and line.accuracy == 0.75 for line in lines)

    silent = io.StringIO()
    Meter(Console(silent=True, stream=silent), "train", 4).add(4)
    assert silent.getvalue() == ""
