"""System metrics of a node as arrays, read from the files that we or SageMaker wrote."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.train.profile import system_files as names

Array = NDArray[np.float64]

# SageMaker's own agent stamps the metrics of one sample some milliseconds apart; ours shares one stamp.
_TOGETHER_SECONDS = 0.05


@dataclass(frozen=True)
class System:
    """``times`` (T,) in seconds since 1970, and what was measured then; a row a time, NaN where nothing was."""

    times: Array
    metrics: dict[tuple[str, str, str], Array]

    @classmethod
    def of(cls, events: Iterable[dict[str, Any]]) -> System:
        """From events as they stand in the files, in any order."""
        by_metric: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
        stamps: set[float] = set()
        for event in events:
            key = (event["Type"], event.get("Name") or "", event.get("Dimension") or "")
            by_metric[key].append((event["Timestamp"], event["Value"]))
            stamps.add(event["Timestamp"])
        ordered = np.array(sorted(stamps))
        begins = _begins(ordered)
        rows = np.cumsum(begins) - 1
        metrics = {}
        for key, points in by_metric.items():
            column = np.full(int(begins.sum()), np.nan)
            times, values = np.array(points).T
            column[rows[np.searchsorted(ordered, times)]] = values
            metrics[key] = column
        return cls(ordered[begins], metrics)

    @property
    def cpu(self) -> Array:
        """(T, cores) percent at work."""
        return self._columns("cpu", names.CPU)

    @property
    def io_wait(self) -> Array:
        """(T, cores) percent waiting for a disk."""
        return self._columns("cpu", names.IO_WAIT)

    @property
    def gpu(self) -> Array:
        """(T, GPUs) percent at work; (T, 0) without a GPU."""
        return self._columns("gpu", names.GPU)

    @property
    def gpu_memory(self) -> Array:
        """(T, GPUs) percent of its memory."""
        return self._columns("gpu", names.GPU_MEMORY)

    @property
    def gpu_memory_bytes(self) -> Array:
        """(T, GPUs)."""
        found = sorted((k for k in self.metrics if k[1] == names.GPU_MEMORY_BYTES), key=lambda k: _number(k[2]))
        return self._stacked(found)

    def metric(self, kind: str, name: str, dimension: str = "") -> Array:
        """(T,) of one metric; NaN where it was never measured."""
        return self.metrics.get((kind, name, dimension), np.full(len(self.times), np.nan))

    def _columns(self, kind: str, dimension: str) -> Array:
        found = [k for k in self.metrics if k[0] == kind and k[2] == dimension]
        return self._stacked(sorted(found, key=lambda k: _number(k[1])))

    def _stacked(self, keys: list[tuple[str, str, str]]) -> Array:
        if not keys:
            return np.empty((len(self.times), 0))
        return np.stack([self.metrics[key] for key in keys], axis=1)


def read(root: Path) -> dict[str, System]:
    """Each node's metrics under ``root``; a last line that was cut off is passed over, as smdebug does."""
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((root / "system").rglob("*.json")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            try:
                event = json.loads(line)
            except ValueError as exc:
                if number == len(lines):
                    break
                raise ValueError(f"line {number} of {path} is no JSON") from exc
            events[event["NodeId"]].append(event)
    return {node: System.of(found) for node, found in sorted(events.items())}


def mean_rows(values: Array) -> Array:
    """The mean of each row (T, n) → (T,), of what was measured; NaN where nothing was."""
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def thinned(values: Array, points: int) -> Array:
    """(T, …) → at most (``points``, …): means of neighbours."""
    size = -(-len(values) // points) if len(values) else 1
    if size == 1:
        return values
    blocks = [values[start : start + size] for start in range(0, len(values), size)]
    flat = [mean_rows(block.reshape(len(block), -1).T).reshape(values.shape[1:]) for block in blocks]
    return np.stack(flat)


def _begins(ordered: Array) -> NDArray[np.bool_]:
    """Where in ascending ``ordered`` times a sample begins: later than the last one's beginning by enough."""
    begins = np.zeros(len(ordered), dtype=bool)
    last = -np.inf
    for index, stamp in enumerate(ordered):
        if stamp - last > _TOGETHER_SECONDS:
            begins[index], last = True, stamp
    return begins


def _number(name: str) -> int:
    digits = re.search(r"\d+$", name)
    return int(digits[0]) if digits else -1
