"""What the jobs of one machine share: decoded images, features, exported bodies.

A folder that the local door mounts at /opt/ml/cache; absent in AWS, where nothing is shared and every
call here answers "not there". An entry is a folder under the kind of its content and a key made of
everything that shapes it:

    cache/features/3f…a1/entry.json, train.safetensors

It is made beside its place and renamed when complete. One job computes under a lock while the others
wait; the kernel frees the lock of a job that dies. A disk that is full or read-only is a warning, and
the job goes on alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from container.common.errors import StorageError, first_line
from container.train import storage
from container.train.console import Console
from container.train.stopping import StopSignal

# The cache takes no more than this, and no more than a part of what the disk has left without it.
MAX_BYTES = 20 * 10**9
DISK_FRACTION = 0.2

# An entry used so lately may be in use by another job, and stays whatever the size.
SPARED_SECONDS = 600.0

# So long after it was begun, a half-made entry is a killed job's.
ABANDONED_SECONDS = 86_400.0

SECONDS_BETWEEN_LOOKS = 0.05

_INDEX = "entry.json"
_TEXT = "text"
_LOCKS = "locks"
_PARTIAL = ".partial"


def key_of(*parts: object) -> str:
    """A key made of JSON-able ``parts``."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Entry:
    """A complete entry: its folder, and each file's size and (where it was taken) digest."""

    folder: Path
    files: dict[str, tuple[int, str]]

    def file(self, name: str) -> Path | None:
        """A file that is as it was written, by size and digest; None when it is not."""
        path, (size, digest) = self.folder / name, self.files.get(name, (-1, ""))
        try:
            if path.stat().st_size != size or (digest and digest != _digest(path)):
                return None
        except OSError:
            return None
        return path


class Cache:
    """The shared folder; with ``folder`` None, or one that cannot be used, nothing is found and nothing kept."""

    def __init__(self, folder: Path | None, *, console: Console, stop: StopSignal) -> None:
        self._folder, self._console, self._stop = folder, console, stop
        self._writable = folder is not None

    @property
    def there(self) -> bool:
        """Whether anything can be shared."""
        return self._folder is not None

    def find(self, kind: str, key: str) -> Entry | None:
        """The entry, when there is a complete one; it then counts as used now."""
        if self._folder is None:
            return None
        folder = self._folder / kind / key
        try:
            raw = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
            files = {name: (int(size), str(digest)) for name, (size, digest) in raw["files"].items()}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            self._console.warn(f"the cache entry {folder} is damaged ({first_line(exc)}); it is made again")
            return None
        # A read-only cache can still be read; its entries are then pruned by the age they were written at.
        with contextlib.suppress(OSError):
            os.utime(folder)
        return Entry(folder, files)

    def keep(
        self, kind: str, key: str, fill: Callable[[Path], object], *, size: int = 0, digested: bool = True
    ) -> Entry | None:
        """An entry of the files that ``fill`` writes into the folder it is given; to be called inside the lock.

        None when there is no room, for ``size`` bytes to begin with. An older entry of that key makes way.
        ``digested`` is for files that are read whole anyway when they are used; others are held to their size alone.
        """
        if self._folder is None or not self._writable:
            return None
        folder = self._folder / kind / key
        partial = folder.with_name(key + _PARTIAL)
        try:
            with storage.told(folder):
                _remove(partial)
                partial.mkdir(parents=True)
                limit = self._limit(0)
            if size > limit:
                raise StorageError(f"they take {size / 1e9:.1f} GB, and the cache has room for {limit / 1e9:.1f}")
            fill(partial)
            with storage.told(folder):
                files = {p.name: (p.stat().st_size, _sealed(p, digested)) for p in sorted(partial.iterdir())}
                storage.write_text(partial / _INDEX, json.dumps({"files": files}))
                _remove(folder)
                partial.replace(folder)
        except (StorageError, OSError) as exc:
            self._console.warn(f"the {kind} are not kept for other jobs: {exc}")
            return None
        finally:
            _remove(partial)
        self._prune()
        return Entry(folder, files)

    def text(self, kind: str, key: str, make: Callable[[], str]) -> str:
        """A short text, made when it is not there."""
        with self.lock(kind, key):
            found = self.read_text(kind, key)
            if found is None:
                found = make()
                self.keep_text(kind, key, found)
        return found

    def read_text(self, kind: str, key: str) -> str | None:
        """A text that was kept."""
        entry = self.find(kind, key)
        path = entry.file(_TEXT) if entry else None
        return path.read_text(encoding="utf-8") if path else None

    def keep_text(self, kind: str, key: str, text: str) -> None:
        """Keep a short text."""
        self.keep(kind, key, lambda folder: storage.write_text(folder / _TEXT, text))

    @contextlib.contextmanager
    def every_core(self) -> Iterator[None]:
        """What is made for all jobs is made with every core, by one job at a time; to be called inside the lock.

        Trials that run at once have a part of the cores each. Those that wait for this one leave theirs idle; two
        that compute at once, with every core each, would take ten times as long (their threads wait for each other).
        """
        import torch

        from container.train.decode import processors

        if self._folder is None:
            yield
            return
        with self.lock("turns", "every-core", what="another job's turn to use every core"):
            before = torch.get_num_threads()
            torch.set_num_threads(processors())
            try:
                yield
            finally:
                torch.set_num_threads(before)

    @contextlib.contextmanager
    def lock(self, kind: str, key: str, *, what: str = "") -> Iterator[None]:
        """Only one job at a time is inside; the others wait here, and heed a stop. ``what`` they are told to wait for.

        Raises JobStopped when the job is asked to stop while it waits.
        """
        descriptor = self._locked(kind, key, what or f"another job, which is computing the same {kind}")
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _locked(self, kind: str, key: str, what: str) -> int | None:
        """A descriptor that holds the lock; None where the disk allows none, and then nothing is written."""
        told = False
        while self._folder is not None and self._writable:
            try:
                descriptor = _open_locked(self._folder / _LOCKS / f"{kind}-{key}")
            except BlockingIOError:
                if not told:
                    self._console.say(f"waiting for {what}")
                told = True
                self._stop.check()
                time.sleep(SECONDS_BETWEEN_LOOKS)
                continue
            except OSError as exc:
                self._writable = False
                self._console.warn(f"nothing is added to the cache {self._folder} ({first_line(exc)})")
                return None
            if descriptor is not None:
                return descriptor
        return None

    def _limit(self, taken: int) -> float:
        """What the cache may take, ``taken`` of which it does already."""
        assert self._folder is not None
        return min(MAX_BYTES, DISK_FRACTION * (shutil.disk_usage(self._folder).free + taken))

    def _prune(self) -> None:
        """Remove what was not used for longest until the rest is within the limit."""
        assert self._folder is not None
        try:
            entries = sorted(self._entries(), key=lambda entry: entry[0])
            total = sum(size for _, size, _ in entries)
            limit, now = self._limit(total), time.time()
            for used, size, folder in entries:
                abandoned = folder.name.endswith(_PARTIAL) and now - used > ABANDONED_SECONDS
                if not abandoned and (total <= limit or now - used < SPARED_SECONDS):
                    continue
                _remove(folder)
                (self._folder / _LOCKS / f"{folder.parent.name}-{folder.name}").unlink(missing_ok=True)
                total -= size
        except OSError as exc:
            # Another job may be pruning too; what is left over is seen to the next time.
            self._console.warn(f"the cache {self._folder} could not be tidied ({first_line(exc)})")

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """(when it was last used, bytes, folder) of every entry, and of what killed jobs left half made."""
        assert self._folder is not None
        for kind in self._folder.iterdir():
            if kind.name == _LOCKS or not kind.is_dir():
                continue
            for folder in kind.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    # What a pixels file has reserved counts, written or not.
                    size = sum(p.stat().st_size for p in folder.iterdir())
                    yield folder.stat().st_mtime, size, folder


def _open_locked(path: Path) -> int | None:
    """``path`` opened and locked; None when it was removed meanwhile. Raises BlockingIOError when another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except FileNotFoundError:
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _sealed(path: Path, digested: bool) -> str:
    """The file on the disk for good; its digest, or "" when none is wanted."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    # Other jobs may run as other users.
    path.chmod(0o644)
    return _digest(path) if digested else ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
