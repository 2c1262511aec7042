"""Every image decoded once, in parallel, into one uint8 array.

Small sets live in memory; larger ones (and those several processes of a host share) in a
memory-mapped file. Bad files are left out, named and counted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container.common.errors import DataError, RequestError
from container.common.images import Geometry, Pixels, prepare
from container.train import storage
from container.train.data import Split

# Part of the machine's memory that decoded images may take before they go to a file.
MEMORY_FRACTION = 0.3

# Names of bad files shown in a warning; all are in metrics.json.
NAMES_SHOWN = 10


@dataclass(frozen=True)
class Bad:
    """A file that gave no image, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Images:
    """Decoded images of a split: (N, side, side, C) uint8, labels (N,) int64, the files they came from."""

    name: str
    pixels: Pixels
    labels: NDArray[np.int64]
    files: tuple[Path, ...]
    digests: tuple[str, ...]
    bad: tuple[Bad, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Decoder:
    """How files become pixels, for all splits of a job."""

    geometry: Geometry
    workers: int
    max_bad: float
    # Where a memory-mapped file goes when memory is too small (or is to be shared).
    scratch: Path
    always_map: bool = False
    # Called with the number of files done since the last call.
    tick: Callable[[int], None] = lambda _count: None

    def decode(self, split: Split, *, margin: bool) -> Images:
        """Decode a split; ``margin`` keeps the whole resized square for augmentation.

        Raises DataError when more than ``max_bad`` of the files give no image, or a class is left empty.
        """
        side = self.geometry.resize_size if margin and self.geometry.rule == "crop" else self.geometry.image_size
        array = self._room((len(split), side, side, self.geometry.channels), split.name)
        digests: list[str | None] = [None] * len(split)
        bad = [Bad(path, "not an image file that can be trained on") for path in split.strangers]

        def one(index: int) -> tuple[int, str | None, str]:
            try:
                data = split.files[index].read_bytes()
                array[index] = prepare(data, self.geometry, margin=margin)
            except (RequestError, OSError, MemoryError) as exc:
                return index, None, str(exc)
            return index, hashlib.blake2b(data, digest_size=16).hexdigest(), ""

        for index, digest, reason in self._map(one, len(split)):
            digests[index] = digest
            if digest is None:
                bad.append(Bad(split.files[index], reason))
            self.tick(1)
        return self._gathered(split, array, digests, bad)

    def _map(
        self, one: Callable[[int], tuple[int, str | None, str]], count: int
    ) -> Iterator[tuple[int, str | None, str]]:
        if self.workers <= 1:
            yield from map(one, range(count))
            return
        with ThreadPoolExecutor(self.workers) as pool:
            # A window of work at a time: a job asked to stop must not wait for a million files.
            indices = iter(range(count))
            while window := list(islice(indices, 64 * self.workers)):
                yield from pool.map(one, window)

    def _room(self, shape: tuple[int, ...], name: str) -> Pixels:
        size = int(np.prod(shape))
        if not self.always_map and size < MEMORY_FRACTION * _memory():
            return np.empty(shape, dtype=np.uint8)
        path = self.scratch / f"{name}.pixels"
        with storage.told(path):
            self.scratch.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                # Reserved now: a full disk must be an error here, not a bus error on a later write.
                os.posix_fallocate(file.fileno(), 0, max(size, 1))
            return np.memmap(path, dtype=np.uint8, mode="r+", shape=shape)

    def _gathered(self, split: Split, array: Pixels, digests: list[str | None], bad: list[Bad]) -> Images:
        found = len(split.files) + len(split.strangers)
        if len(bad) > self.max_bad * found:
            raise DataError(
                f"{len(bad)} of {found} files in the {split.name} split are no usable images, more than max-bad-images="
                f"{self.max_bad:g} allows: {named(bad)}. Mend or remove them, or raise max-bad-images."
            )
        good = [i for i, digest in enumerate(digests) if digest is not None]
        labels = np.array([split.labels[i] for i in good], dtype=np.int64)
        lost = sorted(set(split.labels) - set(labels.tolist()))
        if lost:
            folder = next(p for p, label in zip(split.files, split.labels, strict=True) if label == lost[0]).parent
            raise DataError(f"No image in {folder} can be read; mend the files, or remove the class.")
        if len(good) < len(split):
            array = _compacted(array, good)
        return Images(
            split.name, array, labels, tuple(split.files[i] for i in good), tuple(d for d in digests if d), tuple(bad)
        )


def _compacted(array: Pixels, good: list[int]) -> Pixels:
    """Move the good images to the front, in place, without a second copy of everything."""
    for target, source in enumerate(good):
        if target != source:
            array[target] = array[source]
    return array[: len(good)]


def named(bad: list[Bad] | tuple[Bad, ...]) -> str:
    """The first bad files with their reasons, and how many more there are."""
    shown = "; ".join(f"{b.path} ({b.reason.split(';')[0].rstrip('.')})" for b in bad[:NAMES_SHOWN])
    return shown + (f"; and {len(bad) - NAMES_SHOWN} more" if len(bad) > NAMES_SHOWN else "")


def _memory() -> int:
    """Memory of the machine, or of the control group when that is less, in bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file():
        text = limit.read_text().strip()
        if text.isdigit():
            total = min(total, int(text))
    return total


def processors() -> int:
    """Processors this process may use: affinity, or the control group's quota when that is less."""
    count = len(os.sched_getaffinity(0))
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        used, _, period = quota.read_text().partition(" ")
        if used.isdigit() and int(used) > 0:
            count = min(count, max(1, round(int(used) / int(period))))
    return count
