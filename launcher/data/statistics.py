"""Reading every image once: its digest, whether it can be read, and the split's mean and deviation.

Mean and standard deviation are per channel over all pixels of the images as stored, on a scale of 0
to 1, as torchvision's Normalize takes them. Gray images count as three equal channels unless all are gray.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container.common import channels, images
from container.common.errors import RequestError

Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What one file holds: its SHA-256, and either channel sums or why it cannot be read.

    ``sums`` and ``squares`` are (3,) sums of values and of squares over the ``pixels`` pixels, 0 to 1.
    """

    digest: str
    pixels: int = 0
    gray: bool = False
    sums: Sums | None = None
    squares: Sums | None = None
    problem: str | None = None


def read_all(paths: Iterable[Path], on_read: Callable[[], None] = lambda: None) -> Iterator[Reading]:
    """Readings in the order of ``paths``, made by one thread a core (the decoders release the lock)."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for reading in pool.map(read_one, paths):
            on_read()
            yield reading


def read_one(path: Path) -> Reading:
    """One file's digest and sums. An unreadable image is an answer, not an error."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if not channels.is_image(path):
        return Reading(digest, problem=f"its suffix '{path.suffix}' is not that of a training image")
    try:
        decoded = images.decode(data)
    except RequestError as exc:
        return Reading(digest, problem=str(exc))
    if not isinstance(decoded, np.ndarray):
        decoded = np.asarray(decoded if decoded.mode in ("L", "RGB") else decoded.convert("RGB"))
    gray = decoded.ndim == 2
    flat = decoded.reshape(-1, 1 if gray else 3)
    # A histogram gives exact sums and is quicker than squaring every pixel in floating point.
    histogram = np.stack([np.bincount(flat[:, c], minlength=256) for c in range(flat.shape[1])])
    levels = np.arange(256) / 255
    sums, squares = histogram @ levels, histogram @ levels**2
    if gray:
        sums, squares = np.repeat(sums, 3), np.repeat(squares, 3)
    return Reading(digest, len(flat), gray, sums, squares)


@dataclass
class Moments:
    """Running mean and standard deviation of a split."""

    pixels: int = 0
    gray: bool = True

    def __post_init__(self) -> None:
        self._sums, self._squares = np.zeros(3), np.zeros(3)

    def add(self, reading: Reading) -> None:
        """Take one readable image in."""
        if reading.sums is None or reading.squares is None:
            raise ValueError("an unreadable image has no moments")
        self.pixels += reading.pixels
        self.gray &= reading.gray
        self._sums += reading.sums
        self._squares += reading.squares

    @property
    def mean(self) -> tuple[float, ...]:
        """One value for a gray set, else three."""
        return self._shown(self._sums / max(self.pixels, 1))

    @property
    def std(self) -> tuple[float, ...]:
        """One value for a gray set, else three."""
        mean = self._sums / max(self.pixels, 1)
        return self._shown(np.sqrt(np.maximum(self._squares / max(self.pixels, 1) - mean**2, 0)))

    def _shown(self, values: Sums) -> tuple[float, ...]:
        return tuple(round(float(v), 6) for v in (values[:1] if self.gray else values))
