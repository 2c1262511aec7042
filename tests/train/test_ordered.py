"""Errors of classes that are numbers, against their definition."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from container.common.errors import HyperparameterError
from container.train.evaluate import Evaluation
from container.train.ordered import errors, values_of
from tests.train.jobs import Jobs

COUNTS = {"across": "1", "down": "2", "slanted": "10"}


def test_errors_are_those_of_the_predicted_numbers() -> None:
    classes = ("1", "10", "2.5")  # in the order of their names, as folders are
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(0, 3, 50)
    result = Evaluation.of(logits, labels)
    numbers = np.array([1.0, 10.0, 2.5])
    off = numbers[logits.argmax(1)] - numbers[labels]
    found = errors("test", result, values_of(classes))
    assert found == pytest.approx({"test:mae": np.abs(off).mean(), "test:rmse": np.sqrt((off**2).mean())})
    assert errors("test", result, None) == {}


@pytest.mark.parametrize("name", ["three", "nan", "inf", "1 item", ""])
def test_a_class_that_is_no_number_has_no_order(name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"the class '{name}' is no number"):
        values_of(("1", name))


@pytest.fixture
def counted(tmp_path: Path, pictures: Path) -> Jobs:
    """The stripes again, in folders that are called by numbers."""
    for split in pictures.iterdir():
        for folder in split.iterdir():
            shutil.copytree(folder, tmp_path / "counted" / split.name / COUNTS[folder.name])
    return Jobs(tmp_path, tmp_path / "counted")


def test_a_job_tells_the_errors_of_its_epochs_and_of_its_test(counted: Jobs) -> None:
    log = counted.run(ordered_classes="true")
    told = counted.metrics()
    assert all({"validation:mae", "validation:rmse"} <= set(epoch) for epoch in told["history"])
    assert f"test:rmse={told['metrics']['test:rmse']:.4f}" in log
    with (counted.paths().output / "confusion_matrix.csv").open() as file:
        rows = list(csv.reader(file))
    names, table = [float(row[0]) for row in rows[1:]], np.array([row[1:] for row in rows[1:]], float)
    distances = np.abs(np.subtract.outer(names, names))
    assert told["metrics"]["test:mae"] == pytest.approx((table * distances).sum() / table.sum())


def test_classes_that_are_no_numbers_end_a_job_before_its_images_are_read(jobs: Jobs) -> None:
    with pytest.raises(HyperparameterError, match="ordered-classes=true and the class 'across' is no number"):
        jobs.run(ordered_classes="true")
    assert jobs.metrics() == {"history": []}
