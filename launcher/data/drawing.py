"""What generated pictures are made of: smooth noise, and many files written by all cores."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float = NDArray[np.float32]
Job = TypeVar("Job")

_MOST_PROCESSES = 16
# Fewer pictures are drawn before a process would have started.
_FEW = 64


def clouds(rng: np.random.Generator, width: int, height: int, scales: Iterable[int] = (4, 9, 24)) -> Float:
    """(height, width) smooth noise with so many cells a side, of mean 0 and deviation about 1."""
    fields = [
        Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for cells in scales
    ]
    total: Float = np.sum([np.asarray(field, np.float32) for field in fields], axis=0)
    return total / np.float32(np.sqrt(len(fields)))


def leave_interrupts() -> None:
    """In a process of a pool: Ctrl-C is for the one that owns it, which ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def draw_all(draw: Callable[[Job], None], jobs: Iterable[Job]) -> None:
    """``draw`` every job, on all cores when there are many; an error in one is raised here."""
    waiting = list(jobs)
    workers = min(os.cpu_count() or 1, _MOST_PROCESSES)
    if workers == 1 or len(waiting) < _FEW:
        for job in waiting:
            draw(job)
        return
    with ProcessPoolExecutor(workers, initializer=leave_interrupts) as pool:
        for _ in pool.map(draw, waiting, chunksize=32):
            pass
