"""Want of memory: seen before a model is loaded, and told from the engines' other errors.

SageMaker makes room and tries again when a load answers 507, which MemoryError becomes. The engines say
RuntimeError for it, and a control group does not say anything: it kills.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

# What OpenVINO, torch on a GPU and torch on a CPU write, in turn.
_WORDS = re.compile(
    r"bad_alloc|out of memory|(cannot|can't|can not|could not|failed to|unable to) allocate", re.IGNORECASE
)

_MIB = 1024 * 1024


def check_room(path: Path) -> None:
    """Raise MemoryError when a file of weights is larger than the memory left; loaded, it takes at least its size."""
    size, left = path.stat().st_size, available()
    if left is not None and size > left:
        raise MemoryError(f"{path} has {size // _MIB} MiB, and {left // _MIB} MiB of memory are left")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """An engine's error that means want of memory becomes MemoryError."""
    try:
        yield
    except RuntimeError as exc:
        # OpenVINO's first lines name its source files; the reason stands last.
        reason = [line for line in str(exc).splitlines() if _WORDS.search(line)]
        if reason:
            raise MemoryError(reason[-1].strip()) from exc
        raise


def available(root: Path = Path("/")) -> int | None:
    """Bytes that may still be had: of the machine, or of the control group (version 2, then 1) when that is less."""
    group = root / "sys" / "fs" / "cgroup"
    left = [
        _machine(root / "proc" / "meminfo"),
        _group(group / "memory.max", group / "memory.current", group / "memory.stat", "inactive_file"),
        _group(
            group / "memory" / "memory.limit_in_bytes",
            group / "memory" / "memory.usage_in_bytes",
            group / "memory" / "memory.stat",
            "total_inactive_file",
        ),
    ]
    return min((number for number in left if number is not None), default=None)


def _machine(meminfo: Path) -> int | None:
    kilobytes = _field(meminfo, "MemAvailable:")
    return None if kilobytes is None else kilobytes * 1024


def _group(limit: Path, used: Path, stat: Path, cache: str) -> int | None:
    """What the limit leaves; files' pages that nobody reads now are given back when asked for."""
    try:
        most, now = limit.read_text().strip(), used.read_text().strip()
    except OSError:
        return None
    if not most.isdigit() or not now.isdigit():
        return None  # "max"
    return int(most) - int(now) + (_field(stat, cache) or 0)


def _field(path: Path, name: str) -> int | None:
    """The number after ``name`` in a file of such lines."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return None
    return next((int(line[1]) for line in lines if line[:1] == [name]), None)
