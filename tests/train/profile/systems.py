"""Profiles made by hand, for the rules' tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from container.train.profile import system_files as names
from container.train.profile.rule import Profile
from container.train.profile.series import Array, System
from container.train.profile.timings import Timings


def system(
    samples: int,
    *,
    cpu: float | Array = 50.0,
    io_wait: float | Array = 0.0,
    gpu: Sequence[float | Array] = (),
    gpu_memory: Sequence[float | Array] = (),
    cores: int = 2,
) -> System:
    """``samples`` half a second apart; each metric a number, or a value a sample."""
    metrics: dict[tuple[str, str, str], Array] = {}

    def put(kind: str, name: str, dimension: str, values: float | Array) -> None:
        metrics[kind, name, dimension] = np.broadcast_to(np.asarray(values, dtype=float), (samples,))

    for core in range(cores):
        put("cpu", f"cpu{core}", names.CPU, cpu)
        put("cpu", f"cpu{core}", names.IO_WAIT, io_wait)
    for index, values in enumerate(gpu):
        put("gpu", f"gpu{index}", names.GPU, values)
        put("gpu", f"gpu{index}", names.GPU_MEMORY, gpu_memory[index] if gpu_memory else 90.0)
    return System(1e9 + np.arange(samples) / 2, metrics)


def profile(samples: int = 0, *, timings: Timings | None = None, **metrics: Any) -> Profile:
    """One node's, algo-1."""
    return Profile({"algo-1": system(samples, **metrics)} if samples else {}, timings)


def steps(durations_ms: Sequence[float], **more: Any) -> Timings:
    """A training of these steps."""
    seconds = sum(durations_ms) / 1000
    given = {"seconds": seconds, "steps": len(durations_ms), "step_seconds": seconds, "durations_ms": durations_ms}
    return Timings(**{**given, **more})


def mostly(low: float, high: float, samples: int, high_percent: float) -> Array:
    """``low``, and in the last ``high_percent`` of the samples ``high``."""
    values = np.full(samples, low)
    values[samples - round(samples * high_percent / 100) :] = high
    return values
