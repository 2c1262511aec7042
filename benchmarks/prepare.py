"""Preparing many small images against reading and hashing the same files and nothing else.

    python benchmarks/prepare.py [--images 20000] [--size 128] [--kind fingers|photos] [--repeats 3] [--data FOLDER]

Draws the images first (or takes those of FOLDER), in gray PNGs in Kaggle's flat layout or in JPEGs in class folders.
All sides then start from a disk cache that holds none of the files (each is dropped from it) and from one that holds
all, in turns, and the medians are compared. The plain side reads every file and takes its SHA-256: one process a core,
each a share of the names, which is the least that finding copies costs on this machine; and one process alone. A third
decodes each file besides (with Pillow, as ours does): without that no mean, no deviation and no broken file is found,
so it is the least that preparing can cost. Ours is `launcher.data.prepare` as the command line calls it: reading,
hashing, decoding, mean and deviation, splits, links, tables and the page. The peak of memory is the sum over all its
processes, looked at twenty times a second.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from launcher.data import generate_fingers, prepare  # noqa: E402
from launcher.data.breeds import draw  # noqa: E402
from launcher.data.drawing import draw_all  # noqa: E402

# The bounds: times reading and hashing, and bytes.
RATIO, MEMORY = 1.5, 500e6
CLASSES = 12


def _photo(job: tuple[Path, int, int]) -> None:
    import numpy as np
    from PIL import Image

    path, index, size = job
    picture = Image.fromarray(draw(index % CLASSES, np.random.default_rng([9, index]), size=size))
    picture.resize((size, size)).save(path, quality=90)


def make(folder: Path, kind: str, images: int, size: int) -> None:
    """The images to prepare."""
    if kind == "fingers":
        generate_fingers(folder, train=images * 5 // 6, test=images - images * 5 // 6, seed=0, size=size)
        return
    jobs = []
    for index in range(images):
        place = folder / f"class {index % CLASSES:02d}" / f"{index}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        jobs.append((place, index, size))
    draw_all(_photo, jobs)


def forget(files: list[Path]) -> None:
    """Drop the files from the disk cache."""
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def hashed(files: list[str]) -> None:
    """Read and hash."""
    for name in files:
        hashlib.sha256(Path(name).read_bytes()).digest()


def decoded(files: list[str]) -> None:
    """Read, hash and decode."""
    from PIL import Image

    for name in files:
        data = Path(name).read_bytes()
        hashlib.sha256(data).digest()
        Image.open(io.BytesIO(data)).load()


def plain(work: Callable[[list[str]], None], files: list[str], processes: int) -> None:
    """``work`` on so many processes."""
    if processes == 1:
        work(files)
        return
    with multiprocessing.Pool(processes) as pool:
        pool.map(work, [files[at::processes] for at in range(processes)])


class Memory:
    """The most memory that this process and its children have had together, looked at twenty times a second."""

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        page = resource.getpagesize()
        while not self._done.wait(0.05):
            pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children() if child.pid)]
            total = 0
            for pid in pids:
                try:
                    total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
                except (OSError, IndexError):
                    continue  # it has just ended
            self.peak = max(self.peak, total)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--kind", choices=("fingers", "photos"), default="fingers")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        work = Path(name)
        source = options.data or work / "images"
        if options.data is None:
            print(f"Drawing {options.images} images")
            make(source, options.kind, options.images, options.size)
        files = [path for path in source.rglob("*") if path.is_file()]
        names = [str(path) for path in files]
        print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB, {cores} cores")
        prepared = work / "prepared"
        sides: dict[str, Callable[[], object]] = {
            "read and hash, one process": lambda: plain(hashed, names, 1),
            f"read and hash, {cores} processes": lambda: plain(hashed, names, cores),
            f"and decode, {cores} processes": lambda: plain(decoded, names, cores),
            "launch.py data prepare": lambda: prepare(source, prepared),
        }
        times: dict[tuple[str, str], list[float]] = {}
        peak = 0
        for _ in range(options.repeats):
            for state in ("cold", "warm"):
                for side, run in sides.items():
                    if state == "cold":
                        forget(files)
                    else:
                        hashed(names)
                    with Memory() as memory:
                        times.setdefault((side, state), []).append(timed(run))
                    if run is sides["launch.py data prepare"]:
                        peak = max(peak, memory.peak)
                        shutil.rmtree(prepared)
    ours = {state: statistics.median(times["launch.py data prepare", state]) for state in ("cold", "warm")}
    print(f"\n{'seconds, median of ' + str(options.repeats):<36}{'cold':>8}{'warm':>8}{'ours/it cold':>14}{'warm':>8}")
    for side in sides:
        cold, warm = (statistics.median(times[side, state]) for state in ("cold", "warm"))
        print(f"{side:<36}{cold:>8.2f}{warm:>8.2f}{ours['cold'] / cold:>14.2f}{ours['warm'] / warm:>8.2f}")
    print(f"\npeak memory, all processes: {peak / 1e6:.0f} MB (pages they share are counted in each; bound "
          f"{MEMORY / 1e6:.0f})")  # fmt: skip
    reference = statistics.median(times["read and hash, one process", "cold"])
    print(f"cold, against one process: {ours['cold'] / reference:.2f} (bound {RATIO})")
    return int(ours["cold"] > RATIO * reference or peak > MEMORY)


if __name__ == "__main__":
    sys.exit(main())
