"""What jobs leave in output/data, made up: fixed inputs for the page that tells of them."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from container.common.hyperparameters import parse

Document = dict[str, Any]


def confusion(classes: int, *, images: int = 50, wrong: float = 0.1, seed: int = 0) -> list[list[int]]:
    """``images`` a class, of which some are taken for the next class, some for any."""
    draw = random.Random(seed)
    counts = [[0] * classes for _ in range(classes)]
    for row in range(classes):
        for _ in range(images):
            lost = draw.random() < wrong * (1 + 2 * (row % 5 == 0))
            column = (row + 1) % classes if draw.random() < 0.6 else draw.randrange(classes)
            counts[row][column if lost else row] += 1
    return counts


def left(
    folder: Path,
    *,
    classes: Sequence[str],
    counts: list[list[int]],
    rules: Sequence[Document] = (),
    mistakes: Sequence[Document] = (),
    profile: Document | None = None,
    changes: Document | None = None,
    **hyperparameters: str,
) -> Path:
    """The files of a completed job of five epochs, in ``folder``/data; ``changes`` are to metrics.json."""
    data = folder / "data"
    (data / "profile").mkdir(parents=True)
    size = len(classes)
    rows = []
    for index, name in enumerate(classes):
        hits, support, taken = counts[index][index], sum(counts[index]), sum(line[index] for line in counts)
        precision, recall = hits / max(taken, 1), hits / max(support, 1)
        rows.append([name, precision, recall, 2 * precision * recall / (precision + recall or 1), support])
    write(data / "per_class.csv", [["class", "precision", "recall", "f1", "support"], *rows])
    lines = ([name, *line] for name, line in zip(classes, counts, strict=True))
    write(data / "confusion_matrix.csv", [["true \\ predicted", *classes], *lines])
    accuracy = sum(counts[i][i] for i in range(size)) / sum(map(sum, counts))
    metrics: Document = {
        "history": [epoch(number) for number in range(1, 6)],
        "best_epoch": 4,
        "stopped_by": None,
        "tables_of": "test",
        "images": {"train": 60 * size, "validation": 10 * size, "test": sum(map(sum, counts))},
        "images_by_class": {
            "train": {name: 60 - index % 7 for index, name in enumerate(classes)},
            "validation": dict.fromkeys(classes, 10),
            "test": {name: sum(line) for name, line in zip(classes, counts, strict=True)},
        },
        "bad_files": {"train": [], "validation": [], "test": []},
        "metrics": {**epoch(4), "test:loss": 0.31, "test:accuracy": accuracy, "test:f1": accuracy - 0.01},
        "exported": {"precision": "int8", "inference_precision": "f32"},
        "precisions": {
            "fp32": {"validation_accuracy": 0.934, "latency_ms": 40.1},
            "int8": {"validation_accuracy": 0.932, "latency_ms": 11.8},
        },
        "versions": {"torch": "2.12.1", "openvino": "2026.4.1"},
        "seconds": 83.4,
    }
    write_json(data / "metrics.json", metrics | (changes or {}))
    values = {"epochs": "5", **{name.replace("_", "-"): value for name, value in hyperparameters.items()}}
    write_json(data / "config.json", parse(values).strings())
    write_json(data / "rules.json", list(rules))
    write_json(data / "mistakes.json", list(mistakes))
    if profile is not None:
        write_json(data / "profile" / "summary.json", profile)
    return data


def epoch(number: int) -> Document:
    """A healthy training's metrics."""
    loss = 2.2 * math.exp(-0.5 * number)
    return {
        "epoch": number,
        "train:loss": loss,
        "train:accuracy": 1 - loss / 3,
        "validation:loss": loss + 0.02 * number,
        "validation:accuracy": 0.98 - loss / 3,
        "validation:f1": 0.97 - loss / 3,
        "images_per_second": 412.7,
    }


def rule(name: str, status: str = "NoIssuesFound", *findings: Document, details: str = "") -> Document:
    """A rule's entry in rules.json."""
    return {
        "RuleConfigurationName": name,
        "RuleParameters": {},
        "RuleEvaluationStatus": status,
        "StatusDetails": details,
        "LastModifiedTime": "2026-11-20T12:18:50.521+00:00",
        "findings": list(findings),
    }


def finding(tensor: str, advice: str, *, step: int = 3, mode: str = "TRAIN", **values: Any) -> Document:
    """What a rule has found."""
    return {"step": step, "mode": mode, "tensor": tensor, "values": values, "advice": advice}


def mistake(true: str, predicted: str, probability: float, *, colour: tuple[int, int, int] = (90, 120, 60)) -> Document:
    """An entry of mistakes.json with a picture of one colour."""
    data = io.BytesIO()
    Image.new("RGB", (128, 128), colour).save(data, "JPEG")
    return {
        "file": f"{true}/1.jpg",
        "true": true,
        "predicted": predicted,
        "probability": probability,
        "true_probability": (1 - probability) / 2,
        "thumbnail": "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode(),
    }


def profile(*, cores: int = 2, seconds: float = 80.0, gpu: bool = False) -> Document:
    """A profile's summary.json."""
    draw = random.Random(1)
    times = [seconds * index / 200 for index in range(201)]
    share = [0.95 if time > seconds / 4 else 0.4 for time in times]
    return {
        "interval_ms": 500,
        "seconds": seconds,
        "phases": [
            {"name": name, "start": seconds * start, "seconds": seconds * length}
            for name, start, length in (
                ("decode", 0.02, 0.2), ("features", 0.22, 0.3), ("train", 0.52, 0.2), ("evaluate", 0.72, 0.03),
                ("export", 0.75, 0.24),
            )
        ],
        "steps": {
            "count": 500, "median_ms": 12.4, "p95_ms": 18.1,
            "parts_ms": {"data": 2.1, "forward": 3.9, "backward": 4.6, "optimizer": 1.2, "hook": 0.3},
        },
        "series": {
            "time": times,
            "cpu": [[min(100.0, 100 * one * draw.uniform(0.7, 1.1)) for _ in range(cores)] for one in share],
            "memory_mb": [900 + 1400 * min(1.0, time / 30) for time in times],
            "disk_read_mb_s": [80 * draw.random() if time < 20 else 0.0 for time in times],
            "disk_write_mb_s": [4 * draw.random() for _ in times],
            "network_mb_s": [0.0 for _ in times],
            "gpu": [90 * one for one in share] if gpu else None,
            "gpu_memory_mb": [4000 * one for one in share] if gpu else None,
        },
        "rules": [rule("BatchSize"), rule("CPUBottleneck")],
    }  # fmt: skip


def write(path: Path, rows: list[list[Any]]) -> None:
    """A CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def write_json(path: Path, content: Any) -> None:
    """A JSON document."""
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
