"""What Linux tells of cores, memory, disks and network: counters, and rates from two readings of them.

Standard library only: the process that samples starts in some 40 ms, and at two samples a second takes 0.2 % of
a core.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SECTOR_BYTES = 512  # in /proc/diskstats, whatever the disk's own
_NO_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd)\d*")
# What passes through a bridge has passed, or will pass, through another interface too.
_NO_NETWORK = re.compile(r"lo|docker\d+|veth.*|br-.*|virbr.*|ifb\d+")


@dataclass(frozen=True)
class Ticks:
    """A core's time since boot: at work, waiting for a disk, and all of it."""

    busy: int
    waiting: int
    total: int


@dataclass(frozen=True)
class Counters:
    """One reading. Bytes and operations are counted since boot."""

    cores: Mapping[int, Ticks]
    memory_used: int
    memory_total: int
    operations: int = 0
    read: int = 0
    written: int = 0
    received: int = 0
    sent: int = 0


@dataclass(frozen=True)
class Usage:
    """What happened between two readings: percent of each core, rates in bytes a second."""

    busy: dict[int, float] = field(default_factory=dict)
    waiting: dict[int, float] = field(default_factory=dict)
    iops: float = 0.0
    read: float = 0.0
    written: float = 0.0
    received: float = 0.0
    sent: float = 0.0


def read(root: Path = Path("/")) -> Counters:
    """The counters as they stand; those of the cores that this process may run on."""
    cores = ticks((root / "proc/stat").read_text(), os.sched_getaffinity(0))
    total, used = memory((root / "proc/meminfo").read_text())
    limit, within = _control_group(root / "sys/fs/cgroup")
    if limit is not None and within is not None and limit < total:
        total, used = limit, within
    operations, was_read, written = disks(_text(root / "proc/diskstats"), _whole_disks(root / "sys/block"))
    received, sent = network(_text(root / "proc/net/dev"))
    return Counters(cores, used, total, operations, was_read, written, received, sent)


def usage(before: Counters, now: Counters, seconds: float) -> Usage:
    """What happened in the ``seconds`` between two readings."""
    busy, waiting = {}, {}
    for core, after in now.cores.items():
        earlier = before.cores.get(core)
        spent = after.total - earlier.total if earlier else 0
        if earlier and spent > 0:
            busy[core] = _percent(after.busy - earlier.busy, spent)
            waiting[core] = _percent(after.waiting - earlier.waiting, spent)

    def rate(name: str) -> float:
        # A disk or an interface that goes takes its counts along.
        return max(0, getattr(now, name) - getattr(before, name)) / seconds if seconds > 0 else 0.0

    return Usage(busy, waiting, rate("operations"), rate("read"), rate("written"), rate("received"), rate("sent"))


def ticks(stat: str, cores: Iterable[int]) -> dict[int, Ticks]:
    """From /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal of each of ``cores``."""
    wanted, found = set(cores), {}
    for line in stat.splitlines():
        if not line.startswith("cpu"):
            break
        name, *rest = line.split()
        if name == "cpu" or int(name[3:]) not in wanted:
            continue
        times = [int(word) for word in rest[:8]]
        idle, waiting = times[3], times[4]
        found[int(name[3:])] = Ticks(sum(times) - idle - waiting, waiting, sum(times))
    return found


def memory(meminfo: str) -> tuple[int, int]:
    """From /proc/meminfo: all there is, and what is not available, in bytes."""
    values = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            values[name] = int(rest.split()[0]) * 1024
    return values["MemTotal"], values["MemTotal"] - values["MemAvailable"]


def disks(diskstats: str, whole: Iterable[str]) -> tuple[int, int, int]:
    """From /proc/diskstats: operations, bytes read and bytes written of the ``whole`` disks."""
    wanted, operations, was_read, written = set(whole), 0, 0, 0
    for line in diskstats.splitlines():
        words = line.split()
        if len(words) >= 10 and words[2] in wanted:
            operations += int(words[3]) + int(words[7])
            was_read += int(words[5]) * _SECTOR_BYTES
            written += int(words[9]) * _SECTOR_BYTES
    return operations, was_read, written


def network(dev: str) -> tuple[int, int]:
    """From /proc/net/dev: bytes received and sent, the machine's talks with itself left out."""
    received = sent = 0
    for line in dev.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and len(words) >= 9 and not _NO_NETWORK.fullmatch(name.strip()):
            received += int(words[0])
            sent += int(words[8])
    return received, sent


def _percent(part: int, whole: int) -> float:
    return min(100.0, max(0.0, 100.0 * part / whole))


def _whole_disks(blocks: Path) -> list[str]:
    names = os.listdir(blocks) if blocks.is_dir() else []  # noqa: PTH208
    return [name for name in names if not _NO_DISK.fullmatch(name)]


def _control_group(folder: Path) -> tuple[int | None, int | None]:
    """A container's limit and what it uses of it; page cache that can be dropped is not counted."""
    for limit, used, word in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        text = _text(folder / limit).strip()
        if text.isdigit():
            stat = _text((folder / used).with_name("memory.stat"))
            cached = re.search(rf"^{word} (\d+)$", stat, re.MULTILINE)
            return int(text), int(_text(folder / used) or 0) - (int(cached[1]) if cached else 0)
    return None, None


def _text(path: Path) -> str:
    """What ``path`` holds; a container may have none of it."""
    try:
        return path.read_text()
    except OSError:
        return ""
