"""Reading every image once: its digest, its size, whether it can be read, and the set's mean and deviation.

One pass of several processes does all of it, for at this size of work the interpreter's lock is what threads would
wait for. Mean and standard deviation are per channel over all pixels of the images as stored, on a scale of 0 to 1,
as torchvision's Normalize takes them. Gray images count as three equal channels unless all are gray.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from container.common import channels, images
from container.common.errors import PayloadTooLarge, RequestError
from launcher.data import pngs
from launcher.data.drawing import leave_interrupts
from launcher.data.errors import DatasetError

Channels = tuple[int, int, int]

# Two processes a core: one waits for the disk while another computes.
_A_CORE, _MOST_PROCESSES = 2, 32
# Files handed to a process at once, and how many of them are worth starting processes for.
_BATCH, _FEW = 64, 128
# A picture of the exploration page: pixels of its longer side, and JPEG's quality; some 3 kB each.
_SIDE, _QUALITY = 96, 80
_NONE: Channels = (0, 0, 0)
_LEVELS = np.arange(256, dtype=np.int64)
# Rows: the values' sum and the sum of their squares follow from a histogram by one product.
_POWERS = np.stack([_LEVELS, _LEVELS**2])


class Task(NamedTuple):
    """A file to read; ``gray`` reads its colours as gray, ``sample`` asks for a small picture of it."""

    path: str
    gray: bool = False
    sample: bool = False


class Reading(NamedTuple):
    """What one file holds: its SHA-256, and either its size and sums or why it cannot be read.

    ``sums`` and ``squares`` are the sums of values and of their squares over all pixels, a channel each, on a scale of
    0 to 255: whole numbers, so that no order of adding them makes a difference. ``sample`` is a JPEG.
    """

    digest: bytes
    width: int = 0
    height: int = 0
    gray: bool = False
    sums: Channels = _NONE
    squares: Channels = _NONE
    problem: str = ""
    sample: bytes = b""


def read_all(tasks: Iterable[Task], on_read: Callable[[], None] = lambda: None) -> Iterator[Reading]:
    """Readings in the order of ``tasks``. Raises DatasetError when a file ends the process that reads it."""
    waiting = iter(tasks)
    first = list(islice(waiting, _FEW))
    if len(first) < _FEW:
        for reading in _read_batch(first):
            on_read()
            yield reading
        return
    processes = min(_A_CORE * (os.cpu_count() or 1), _MOST_PROCESSES)
    with ProcessPoolExecutor(processes, initializer=leave_interrupts) as pool:
        try:
            for batch in pool.map(_read_batch, _batches(first, waiting)):
                for reading in batch:
                    on_read()
                    yield reading
        except BrokenProcessPool as exc:
            raise DatasetError(
                "A process that reads the images was ended, by too little memory or by a file that breaks its decoder; "
                "prepare a part of the folder at a time to find out which."
            ) from exc


def _batches(first: Sequence[Task], waiting: Iterator[Task]) -> Iterator[list[Task]]:
    for start in range(0, len(first), _BATCH):
        yield list(first[start : start + _BATCH])
    while batch := list(islice(waiting, _BATCH)):
        yield batch


def _read_batch(tasks: Sequence[Task]) -> list[Reading]:
    return [read_one(task) for task in tasks]


def read_one(task: Task) -> Reading:
    """One file's reading. An unreadable image is an answer, not an error."""
    path = Path(task.path)
    try:
        data = path.read_bytes()
    except OSError as exc:
        return Reading(b"", problem=f"it cannot be read: {exc.strerror}")
    digest = hashlib.sha256(data).digest()
    if not channels.is_image(path):
        return Reading(digest, problem=f"its suffix '{path.suffix}' is not that of a training image")
    try:
        picture = _plain(data) or _any(data)
    except RequestError as exc:
        return Reading(digest, problem=str(exc))
    if task.gray and picture.mode != "L":
        picture = picture.convert("L")
    sums, squares = _sums(picture)
    sample = _sample(picture) if task.sample else b""
    return Reading(digest, *picture.size, picture.mode == "L", sums, squares, sample=sample)


def _plain(data: bytes) -> Image.Image | None:
    """The quick ways for ordinary PNG and JPEG files, which are most; None for all that is not plainly in order."""
    quick = pngs.decode(data)
    if quick is not None:
        return quick
    kind = PngImageFile if data[:4] == b"\x89PNG" else JpegImageFile if data[:3] == b"\xff\xd8\xff" else None
    if kind is None:
        return None
    try:
        picture: Image.Image = kind(io.BytesIO(data))
        if picture.mode not in ("L", "RGB") or picture.width * picture.height > images.MAX_PIXELS:
            return None
        picture.load()
    except MemoryError:
        raise
    except Exception:  # damaged in whatever way: `images.decode` has the last word, and says what is wrong
        return None
    return picture


def _any(data: bytes) -> Image.Image:
    """Decoded as training does it, in gray or in colour. Raises RequestError."""
    try:
        decoded = images.decode(data)
    except MemoryError as exc:
        raise PayloadTooLarge("There is too little memory to decode the image; scale it down first.") from exc
    picture = Image.fromarray(decoded) if isinstance(decoded, np.ndarray) else decoded
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")


def _sums(picture: Image.Image) -> tuple[Channels, Channels]:
    # A histogram gives exact sums and is quicker than squaring every pixel.
    histogram = np.array(picture.histogram(), dtype=np.int64).reshape(-1, 256)
    sums, squares = (_POWERS @ histogram.T).tolist()
    if len(sums) == 1:
        sums, squares = sums * 3, squares * 3
    return tuple(sums), tuple(squares)


def _sample(picture: Image.Image) -> bytes:
    """A small JPEG."""
    scale = _SIDE / max(picture.size)
    if scale < 1:
        # By whole steps first, which is quick, then smoothly.
        picture = picture.reduce(max(1, math.floor(1 / scale / 2)))
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()


class Moments:
    """Running mean and standard deviation of a split."""

    def __init__(self) -> None:
        self.images = self.pixels = 0
        self.gray = True
        self._sums = [0, 0, 0]
        self._squares = [0, 0, 0]

    def add(self, reading: Reading) -> None:
        """Take one readable image in."""
        if reading.problem:
            raise ValueError("an unreadable image has no moments")
        self._take(1, reading.width * reading.height, reading.gray, reading.sums, reading.squares)

    def join(self, other: Moments) -> None:
        """Take all images of another split in."""
        self._take(other.images, other.pixels, other.gray, other._sums, other._squares)

    def _take(self, images: int, pixels: int, gray: bool, sums: Sequence[int], squares: Sequence[int]) -> None:
        self.images += images
        self.pixels += pixels
        self.gray &= gray
        for channel in range(3):
            self._sums[channel] += sums[channel]
            self._squares[channel] += squares[channel]

    @property
    def mean(self) -> tuple[float, ...]:
        """One value for a gray set, else three."""
        return self._shown([each / max(self.pixels, 1) / 255 for each in self._sums])

    @property
    def std(self) -> tuple[float, ...]:
        """One value for a gray set, else three."""
        # Whole numbers up to the end: the difference of two large ones would be all rounding otherwise.
        count = max(self.pixels, 1)
        variances = [
            max(0, count * square - total * total) / count**2
            for total, square in zip(self._sums, self._squares, strict=True)
        ]
        return self._shown([math.sqrt(each) / 255 for each in variances])

    def _shown(self, values: list[float]) -> tuple[float, ...]:
        return tuple(round(value, 6) for value in (values[:1] if self.gray else values))
