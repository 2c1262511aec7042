"""Every image decoded once, in parallel, into one uint8 array.

Small sets live in memory; larger ones (and those several processes of a host share) in a
memory-mapped file. Bad files are left out, named and counted; what is known of the files, and their
pixels, is shared with this machine's other jobs through the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from container.common.errors import DataError, RequestError, first_line
from container.common.images import Geometry, Pixels, prepare
from container.train import storage
from container.train.cache import Cache, key_of
from container.train.data import Split

T = TypeVar("T")

# Of the cache's entries: kinds, and what else their keys depend on.
IMAGES, VERDICTS, PIXELS_FILE, FORMAT = "images", "verdicts", "pixels", "1"

# Part of the machine's memory that decoded images may take before they go to a file.
MEMORY_FRACTION = 0.3

# Names of bad files shown in a warning; all are in metrics.json.
NAMES_SHOWN = 10


@dataclass(frozen=True)
class Bad:
    """A file that gave no image, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images of a split: labels (N,) int64, the files they came from, and their pixels when these are asked for."""

    name: str
    labels: NDArray[np.int64]
    files: tuple[Path, ...]
    digests: tuple[str, ...]
    bad: tuple[Bad, ...]
    load: Callable[[], Pixels]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def pixels(self) -> Pixels:
        """(N, side, side, C) uint8; decoded now, where the cache told what the files are without it."""
        return self.load()

    @property
    def decoded(self) -> bool:
        """Whether ``pixels`` costs nothing any more."""
        return "pixels" in vars(self)


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """How files become pixels, for all splits of a job."""

    geometry: Geometry
    workers: int
    max_bad: float
    # Where a memory-mapped file goes when memory is too small (or is to be shared).
    scratch: Path
    always_map: bool = False
    cache: Cache
    # Called with the number of files done since the last call.
    tick: Callable[[int], None] = lambda _count: None

    def decode(self, split: Split, *, margin: bool) -> Images:
        """Decode a split; ``margin`` keeps the whole resized square for augmentation.

        With a cache, a split that another job has decoded is not: its pixels are mapped, and when they
        have been pruned, decoded once they are asked for. Raises DataError when more than ``max_bad``
        of the files give no image, a class is left empty, or a file cannot be read at all.
        """
        side = self.geometry.resize_size if margin and self.geometry.rule == "crop" else self.geometry.image_size
        work = _Work(self, split, margin, (len(split), side, side, self.geometry.channels))
        if not self.cache.there:
            array = work.decoded(self._room(work.shape, split.name))
            return self._gathered(split, work, lambda: array)
        return self._shared(split, work)

    def _shared(self, split: Split, work: _Work) -> Images:
        """``decode`` through the cache, by the digests of the files' bytes."""
        digests = [digest for _, digest in self.map(work.digest, len(split))]
        versions = [version(name) for name in ("Pillow", "simplejpeg")]
        key = key_of(FORMAT, work.shape, self.geometry.rule, versions, digests)

        def load() -> Pixels:
            with self.cache.lock(IMAGES, key):
                return self._kept(key, work)

        with self.cache.lock(IMAGES, key):
            known = self.cache.read_text(VERDICTS, key)
            if known is not None:
                work.digests, work.reasons = digests, {int(i): reason for i, reason in json.loads(known).items()}
                return self._gathered(split, work, load)
            array = self._kept(key, work)
            self.cache.keep_text(VERDICTS, key, json.dumps(work.reasons))
        return self._gathered(split, work, lambda: array)

    def _kept(self, key: str, work: _Work) -> Pixels:
        """The good images' pixels: mapped from the cache, into which they are decoded when it has them not."""
        entry = self.cache.find(IMAGES, key)
        path = entry.file(PIXELS_FILE) if entry else None
        if path is None or work.digests is None:
            entry = self.cache.keep(
                IMAGES,
                key,
                lambda folder: work.decoded(_mapped(folder / PIXELS_FILE, work.shape)),
                size=int(np.prod(work.shape)),
                digested=False,
            )
            path = entry.file(PIXELS_FILE) if entry else None
        if path is None:
            return work.decoded(self._room(work.shape, work.split.name))
        # Copy on write: torch wants an array it could write to, and nobody does.
        return np.memmap(path, dtype=np.uint8, mode="c", shape=work.shape)[: len(work.good)]

    def map(self, one: Callable[[int], T], count: int) -> Iterator[tuple[int, T]]:
        """(index, ``one(index)``) for ``count`` files, in parallel and in order."""
        if self.workers <= 1:
            yield from ((index, one(index)) for index in range(count))
            return
        with ThreadPoolExecutor(self.workers) as pool:
            # A window of work at a time: a job asked to stop must not wait for a million files.
            indices = iter(range(count))
            while window := list(islice(indices, 64 * self.workers)):
                yield from zip(window, pool.map(one, window), strict=True)
                self.tick(0)

    def _room(self, shape: tuple[int, ...], name: str) -> Pixels:
        if not self.always_map and int(np.prod(shape)) < MEMORY_FRACTION * _memory():
            return np.empty(shape, dtype=np.uint8)
        return _mapped(self.scratch / f"{name}.pixels", shape)

    def _gathered(self, split: Split, work: _Work, load: Callable[[], Pixels]) -> Images:
        found = len(split.files) + len(split.strangers)
        bad = [Bad(path, "not an image file that can be trained on") for path in split.strangers]
        bad += [Bad(split.files[index], reason) for index, reason in sorted(work.reasons.items())]
        if len(bad) > self.max_bad * found:
            raise DataError(
                f"{len(bad)} of {found} files in the {split.name} split are no usable images, more than max-bad-images="
                f"{self.max_bad:g} allows: {named(bad)}. Mend or remove them, or raise max-bad-images."
            )
        labels = np.array([split.labels[i] for i in work.good], dtype=np.int64)
        lost = sorted(set(split.labels) - set(labels.tolist()))
        if lost:
            folder = next(p for p, label in zip(split.files, split.labels, strict=True) if label == lost[0]).parent
            raise DataError(f"No image in {folder} can be read; mend the files, or remove the class.")
        assert work.digests is not None
        return Images(
            name=split.name,
            labels=labels,
            files=tuple(split.files[i] for i in work.good),
            digests=tuple(work.digests[i] for i in work.good),
            bad=tuple(bad),
            load=load,
        )


@dataclass
class _Work:
    """A split being decoded, and what is known of its files."""

    decoder: Decoder
    split: Split
    margin: bool
    shape: tuple[int, ...]
    # By index, once they are known: the digests of the files' bytes, and why a file gives no image.
    digests: list[str] | None = None
    reasons: dict[int, str] = field(default_factory=dict)

    @property
    def good(self) -> list[int]:
        """Indices of the files that give an image."""
        return [index for index in range(len(self.split)) if index not in self.reasons]

    def decoded(self, array: Pixels) -> Pixels:
        """``array`` filled with the images, bad ones left out."""
        decoder, reasons, digests = self.decoder, dict[int, str](), list[str]()

        def one(index: int) -> tuple[str, str]:
            data = self._bytes(index)
            return _digest(data), self._prepared(index, data, array)

        for index, (digest, reason) in decoder.map(one, len(self.split)):
            digests.append(digest)
            if reason:
                reasons[index] = reason
            decoder.tick(1)
        self.digests, self.reasons = digests, reasons
        return _compacted(array, self.good) if reasons else array

    def digest(self, index: int) -> str:
        """The digest of a file's bytes."""
        return _digest(self._bytes(index))

    def _bytes(self, index: int) -> bytes:
        path = self.split.files[index]
        try:
            return path.read_bytes()
        except OSError as exc:
            # Not the image's fault: left out, the set would change from run to run.
            raise DataError(
                f"{path} cannot be read ({exc.strerror or first_line(exc)}); see that the user the container runs as "
                "may read it and that the disk is sound, and start the job again."
            ) from exc

    def _prepared(self, index: int, data: bytes, array: Pixels) -> str:
        """Put the image into its row; why not, when it is none."""
        path, decoder = self.split.files[index], self.decoder
        try:
            array[index] = prepare(data, decoder.geometry, margin=self.margin)
        except RequestError as exc:
            return str(exc)
        except MemoryError as exc:
            raise DataError(
                f"Memory ran out while {path} was decoded; set workers to less than {decoder.workers}, take a larger "
                "instance, or remove the file."
            ) from exc
        except Exception as exc:
            # A decoder may raise anything at all, and without the file's name nobody could act on it.
            raise DataError(
                f"{path} cannot be decoded ({type(exc).__name__}: {first_line(exc)}); mend or remove the file."
            ) from exc
        return ""


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _mapped(path: Path, shape: tuple[int, ...]) -> Pixels:
    """A new file of that many bytes, mapped. Raises StorageError when the disk has no room for it."""
    with storage.told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            # Reserved now: a full disk must be an error here, not a bus error on a later write.
            os.posix_fallocate(file.fileno(), 0, max(int(np.prod(shape)), 1))
        return np.memmap(path, dtype=np.uint8, mode="r+", shape=shape)


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
