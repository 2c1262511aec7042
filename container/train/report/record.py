"""What a job left in output/data, as the page reads it; whatever is not there, or is damaged, is left out.

record = read(Path("/opt/ml/output/data"))
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

Line = TypeVar("Line")
Document = dict[str, Any]
Losses = dict[str, list[tuple[float, float]]]

METRICS, CONFIGURATION, TABLE, CONFUSION = "metrics.json", "config.json", "per_class.csv", "confusion_matrix.csv"
MISTAKES, RULES, PROFILE, REPORT = "mistakes.json", "rules.json", "profile/summary.json", "report.html"
TENSORS = "debug"

# Left by a job before this one in the same folder, they would be taken for this one's.
FINDINGS = (METRICS, TABLE, CONFUSION, MISTAKES, RULES, PROFILE, REPORT)

_LOSS = "CrossEntropyLoss_output"


@dataclass(frozen=True)
class Row:
    """A class's figures, each from 0 to 1, and how many images of it were judged."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """All there is on one training."""

    metrics: Document
    configuration: Mapping[str, str]
    table: Sequence[Row]
    # confusion[true][predicted], in the table's order.
    confusion: Sequence[Sequence[int]]
    mistakes: Sequence[Document]
    rules: Sequence[Document]
    profile: Document
    # (step, loss) by smdebug's mode, as its hook saved them.
    losses: Losses
    # Why the job failed.
    failure: str
    # Files that are there and cannot be read.
    damaged: Sequence[str]

    @property
    def history(self) -> list[dict[str, float]]:
        """An entry an epoch."""
        return [each for each in self.metrics.get("history", []) if "epoch" in each]

    @property
    def judged(self) -> str:
        """The split the tables are of."""
        return str(self.metrics.get("tables_of", "validation"))


def read(folder: Path) -> Record:
    """The record of the job that left ``folder``; its failure file stands beside that folder."""
    files = _Files(folder)
    table = files.rows(TABLE, _row)
    confusion = files.rows(CONFUSION, lambda line: [int(count) for count in line[1:]])
    failure = folder.parent / "failure"
    metrics = files.document(METRICS, {})
    return Record(
        metrics=metrics,
        configuration=files.document(CONFIGURATION, {}),
        table=table,
        confusion=confusion if len(confusion) == len(table) else [],
        mistakes=files.document(MISTAKES, []),
        rules=files.document(RULES, []),
        profile=files.document(PROFILE, {}),
        # A job that came to no images has not begun its tensors; an earlier one's may lie there.
        losses=files.losses() if "images" in metrics else {},
        failure=failure.read_text(encoding="utf-8", errors="replace").strip() if failure.is_file() else "",
        damaged=files.damaged,
    )


def _row(line: list[str]) -> Row:
    name, precision, recall, f1, support = line
    return Row(name, float(precision), float(recall), float(f1), int(support))


class _Files:
    """Reads files of a folder, and notes which are damaged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.damaged: list[str] = []

    def document(self, name: str, nothing: Any) -> Any:
        """A JSON document, or ``nothing``, which has the type it should have."""
        try:
            found = json.loads((self._folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return nothing
        except (OSError, ValueError):
            found = None
        if isinstance(found, type(nothing)):
            return found
        self.damaged.append(name)
        return nothing

    def rows(self, name: str, read: Callable[[list[str]], Line]) -> list[Line]:
        """What ``read`` makes of a CSV file's lines, after the head; it raises ValueError for one that it is not."""
        try:
            with (self._folder / name).open(encoding="utf-8", newline="") as file:
                head, *lines = csv.reader(file)
            if lines and all(len(line) == len(head) for line in lines):
                return [read(line) for line in lines]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, csv.Error):
            pass  # as one of other lines
        self.damaged.append(name)
        return []

    def losses(self) -> Losses:
        """What `_losses` finds in the folder of tensors."""
        try:
            return _losses(self._folder / TENSORS)
        except Exception:
            # smdebug raises whatever its parsing meets in a folder that a job died over.
            self.damaged.append(TENSORS)
            return {}


def _losses(folder: Path) -> Losses:
    """The cross entropy of every step that smdebug's hook saved, by its own index and reader.

    Not by its trial, which first waits a second for more tensors.
    """
    index = sorted((folder / "index").rglob("*.json"))
    if not index:
        return {}
    from container.train.rules.lightly import lightly

    with lightly():
        from smdebug.core.tfrecord.tensor_reader import TensorReader

    found: Losses = {}
    for path in index:
        content = json.loads(path.read_text(encoding="utf-8"))
        for place in content["tensor_payload"]:
            if not place["tensorname"].startswith(_LOSS):
                continue
            with (folder / content["meta"]["event_file_name"]).open("rb") as file:
                file.seek(place["start_idx"])
                data = file.read(place["length"])
            for _, _, value, mode, step in TensorReader(data).read_tensors():
                if value is not None and value.size == 1 and isfinite(loss := float(value.reshape(-1)[0])):
                    found.setdefault(mode.name, []).append((float(step), loss))
    return {mode: sorted(points) for mode, points in found.items()}
