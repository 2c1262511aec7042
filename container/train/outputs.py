"""What a job leaves in output/data: metrics.json, per_class.csv, confusion_matrix.csv, config.json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from container.train import storage
from container.train.evaluate import Evaluation


def write_json(path: Path, content: Any) -> None:
    """Indented JSON, whole or not at all."""
    storage.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    storage.write_text(path, text.getvalue())


def write_tables(folder: Path, classes: tuple[str, ...], result: Evaluation) -> None:
    """The table by class, and the confusion matrix with a row a true class and a column a predicted one."""
    columns = ("precision", "recall", "f1", "support")
    rows = ([name, *(row[c] for c in columns)] for name, row in zip(classes, result.table, strict=True))
    _write_csv(folder / "per_class.csv", [("class", *columns), *rows])
    matrix = ([name, *line] for name, line in zip(classes, result.confusion.tolist(), strict=True))
    _write_csv(folder / "confusion_matrix.csv", [("true \\ predicted", *classes), *matrix])
