"""The profile in one file, for people and pages: summary.json, written at a job's end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from container.train import storage
from container.train.profile import system_files as names
from container.train.profile.clock import PARTS
from container.train.profile.rule import Profile
from container.train.profile.series import Array, System, mean_rows, thinned
from container.train.profile.timings import Timings
from container.train.rules.board import Verdict

FILE = "summary.json"
MOST_POINTS = 600
_MEGABYTE = 1e6


def of(profile: Profile, verdicts: Sequence[Verdict], *, interval_ms: int, node: str, began: float) -> dict[str, Any]:
    """What summary.json holds; the series are those of ``node``, their times count from ``began`` (since 1970)."""
    timings = profile.timings
    system = profile.systems.get(node)
    return {
        "interval_ms": interval_ms,
        "node": node,
        "seconds": round(timings.seconds, 3) if timings else None,
        "phases": [
            {
                "name": phase.name,
                "start": round(phase.start, 3),
                "seconds": round(phase.seconds, 3),
                "spans": [[round(start, 3), round(end, 3)] for start, end in phase.spans],
            }
            for phase in (timings.phases if timings else ())
        ],
        "steps": _steps(timings) if timings else None,
        "series": _series(system, began) if system else None,
        "rules": [verdict.to_json() for verdict in verdicts],
    }


def write(folder: Path, content: dict[str, Any]) -> None:
    """Raises StorageError."""
    storage.write_text(folder / FILE, json.dumps(content, ensure_ascii=False) + "\n")


def _steps(timings: Timings) -> dict[str, Any]:
    """Means of the parts, over all steps; what is in no part is the loop's own."""
    return {
        "count": timings.steps,
        "median_ms": _rounded(timings.quantile_ms(50)),
        "p95_ms": _rounded(timings.quantile_ms(95)),
        "parts_ms": {part: round(1000 * timings.totals.get(part, 0.0) / max(timings.steps, 1), 4) for part in PARTS},
    }


def _series(system: System, began: float) -> dict[str, Any]:
    network = system.metric("network", names.RECEIVED, names.ALGORITHM)
    network = network + system.metric("network", names.SENT, names.ALGORITHM)
    has_gpu = bool(system.gpu.shape[1])
    return {
        "time": _listed(system.times - began, 3),
        "cpu": _listed(system.cpu, 1),
        "memory_mb": _listed(system.metric("memory", names.MEMORY_BYTES) / _MEGABYTE, 1),
        "disk_read_mb_s": _listed(system.metric("i/o", names.READ) / _MEGABYTE, 3),
        "disk_write_mb_s": _listed(system.metric("i/o", names.WRITTEN) / _MEGABYTE, 3),
        "network_mb_s": _listed(network / _MEGABYTE, 3),
        # The mean and the sum of all GPUs; each by itself under "gpus".
        "gpu": _listed(mean_rows(system.gpu), 1) if has_gpu else None,
        "gpu_memory_mb": _listed(system.gpu_memory_bytes.sum(axis=1) / _MEGABYTE, 1) if has_gpu else None,
        "gpus": _listed(system.gpu, 1) if has_gpu else None,
    }


def _listed(values: Array, digits: int) -> list[Any]:
    """At most MOST_POINTS rounded points; JSON has no NaN."""
    rounded = np.round(thinned(values, MOST_POINTS), digits)
    plain = rounded.astype(object)
    plain[np.isnan(rounded)] = None
    return plain.tolist()  # type: ignore[no-any-return]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
