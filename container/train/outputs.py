"""What a job leaves in output/data: metrics.json, per_class.csv, confusion_matrix.csv, mistakes.json, config.json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from container.common.artifact import Manifest
from container.train import storage
from container.train.decode import Images
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


def of_data(classes: tuple[str, ...], images: Mapping[str, Images]) -> dict[str, Any]:
    """What metrics.json tells of the images."""
    return {
        "images": {name: len(part) for name, part in images.items()},
        "images_by_class": {
            name: dict(zip(classes, np.bincount(part.labels, minlength=len(classes)).tolist(), strict=True))
            for name, part in images.items()
        },
        "bad_files": {
            name: [{"file": str(b.path), "reason": b.reason} for b in part.bad] for name, part in images.items()
        },
    }


def of_export(manifest: Manifest, seconds: float) -> dict[str, Any]:
    """What became of the network, after ``seconds`` of the job."""
    return {
        "metrics": manifest.metrics,
        "exported": {"precision": manifest.precision, "inference_precision": manifest.inference_precision},
        "precisions": manifest.precisions,
        "versions": manifest.versions,
        "seconds": round(seconds, 2),
    }


def of_failed(path: Path, told: Sequence[Mapping[str, Any]]) -> None:
    """Add the epochs that a failed job told of to what its metrics.json at ``path`` holds."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json(path, {"history": [each for each in told if "epoch" in each], **found})
