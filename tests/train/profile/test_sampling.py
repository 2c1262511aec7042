"""One sample of the system: what /proc and NVIDIA's library say, and the file it goes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from smdebug.profiler.system_metrics_reader import LocalSystemMetricsReader

from container.train.profile import proc
from container.train.profile.gpu import Gpus, GpuUsage
from container.train.profile.monitor import after
from container.train.profile.proc import Counters, Ticks
from container.train.profile.system_files import SystemFiles, events, path_of

STAT = """cpu  10 0 10 70 10 0 0 0 0 0
cpu0 4 1 3 80 10 1 1 0 0 0
cpu1 40 1 3 40 14 1 1 0 0 0
cpu2 1 1 1 1 1 1 1 1 0 0
intr 1 2 3
"""
DISKS = """   8       0 sda 100 0 2000 5 50 0 4000 5 0 0 0
   8       1 sda1 100 0 2000 5 50 0 4000 5 0 0 0
   7       0 loop0 9 0 9 0 9 0 9 0 0 0 0
"""
NETWORK = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier
    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0
  eth0: 5000 10 0 0 0 0 0 0 700 10 0 0 0 0 0 0
docker0: 5000 10 0 0 0 0 0 0 700 10 0 0 0 0 0 0
"""


def machine(root: Path, *, limit: str = "max") -> Path:
    """Files as Linux has them, for a reading."""
    texts = {
        "proc/stat": STAT,
        "proc/meminfo": "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\n",
        "proc/diskstats": DISKS,
        "proc/net/dev": NETWORK,
        "sys/fs/cgroup/memory.max": f"{limit}\n",
        "sys/fs/cgroup/memory.current": "300000\n",
        "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 100000\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for disk in ("sda", "loop0"):
        (root / "sys/block" / disk).mkdir(parents=True)
    return root


def test_time_waiting_for_a_disk_is_not_time_at_work() -> None:
    assert proc.ticks(STAT, [0, 1]) == {0: Ticks(10, 10, 100), 1: Ticks(46, 14, 100)}


def test_whole_disks_and_outside_interfaces_are_counted_once(tmp_path: Path) -> None:
    found = proc.read(machine(tmp_path))
    assert (found.operations, found.read, found.written) == (150, 2000 * 512, 4000 * 512)
    assert (found.received, found.sent) == (5000, 700)


@pytest.mark.parametrize(
    ("limit", "used", "total"),
    [("max", 400 * 1024, 1000 * 1024), ("500000", 200000, 500000), ("9" * 19, 409600, 1024000)],
)
def test_memory_is_the_containers_where_it_has_a_limit(limit: str, used: int, total: int, tmp_path: Path) -> None:
    found = proc.read(machine(tmp_path, limit=limit))
    assert (found.memory_used, found.memory_total) == (used, total)


def test_a_machine_without_disks_or_network_is_read_all_the_same(tmp_path: Path) -> None:
    place = machine(tmp_path)
    for name in ("proc/diskstats", "proc/net/dev"):
        (place / name).unlink()
    found = proc.read(place)
    assert (found.operations, found.received) == (0, 0)


def test_usage_is_what_happened_between_two_readings() -> None:
    before = Counters({0: Ticks(0, 0, 0), 7: Ticks(1, 0, 1)}, 0, 1, read=100, received=5000)
    now = Counters({0: Ticks(30, 20, 200), 8: Ticks(1, 0, 1)}, 0, 1, read=300, received=0)
    found = proc.usage(before, now, 0.5)
    assert (found.busy, found.waiting) == ({0: 15.0}, {0: 10.0}), "a core that came or went has no rate"
    assert (found.read, found.received) == (400.0, 0.0), "an interface that went takes its counts along"


class FakeLibrary:
    """NVIDIA's management library with two GPUs, of which the second gives no utilization."""

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:
        handle._obj.value = index + 1
        return 0

    def nvmlDeviceGetUUID(self, handle: Any, text: Any, size: int) -> int:
        text.value = f"GPU-{handle.value}0f00".encode()
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:
        handle._obj.value = 3
        return 0 if uuid == b"MIG-7" else 6

    def nvmlDeviceGetUtilizationRates(self, handle: Any, found: Any) -> int:
        found._obj.gpu = 40
        return 0 if handle.value == 1 else 3

    def nvmlDeviceGetMemoryInfo(self, handle: Any, found: Any) -> int:
        found._obj.total, found._obj.used = 80 << 30, handle.value << 30
        return 0


def test_gpus_are_read_and_one_without_an_answer_is_not_said_to_be_idle() -> None:
    assert Gpus(FakeLibrary()).read() == [GpuUsage(40.0, 1 << 30, 80 << 30), GpuUsage(None, 2 << 30, 80 << 30)]


@pytest.mark.parametrize(
    ("visible", "gib"),
    [(None, [1, 2]), ("", []), ("1", [2]), ("1,0", [2, 1]), ("0,-1,1", [1]), ("7", []), ("GPU-20,GPU-10f00", [2, 1]),
     ("GPU-", []), ("MIG-7", [3]), ("0, 1", [1, 2])],
)  # fmt: skip
def test_a_jobs_gpus_are_those_that_cuda_shows_it(visible: str | None, gib: list[int]) -> None:
    assert [each.memory_used >> 30 for each in Gpus(FakeLibrary(), visible=visible).read()] == gib


def test_a_library_without_a_driver_has_no_gpus() -> None:
    class NoDriver(FakeLibrary):
        def nvmlInit_v2(self) -> int:
            return 9

    assert Gpus(NoDriver()).read() == []


def test_a_file_is_a_minute_and_a_folder_an_hour() -> None:
    path = path_of(Path("/p"), "algo-2", 1795176961.5)
    assert path == Path("/p/system/incremental/2026112012/1795176960.algo-2.json")


def test_smdebug_reads_all_that_a_sample_holds(tmp_path: Path) -> None:
    files = SystemFiles(tmp_path, "algo-1")
    counters = Counters({}, 300, 1200)
    used = proc.Usage({0: 12.5, 1: 50.0}, {0: 1.0, 1: 0.0}, 7, 8e6, 9, 10, 11)
    for timestamp in (1795176958.0, 1795176961.5):
        files.add(events(counters, used, [GpuUsage(90.0, 20, 80)]), timestamp)
    files.close()
    reader = LocalSystemMetricsReader(str(tmp_path))
    found = reader.get_events(1795176900 * 10**6, 1795177000 * 10**6)
    assert {event.timestamp for event in found} == {1795176958.0, 1795176961.5}, "over the end of a minute"
    assert {event.node_id for event in found} == {"algo-1"}
    values = {(event.type, event.name, event.dimension): event.value for event in found}
    assert values == {
        ("cpu", "cpu0", "CPUUtilization"): 12.5,
        ("cpu", "cpu0", "I/OWaitPercentage"): 1.0,
        ("cpu", "cpu1", "CPUUtilization"): 50.0,
        ("cpu", "cpu1", "I/OWaitPercentage"): 0.0,
        ("gpu", "gpu0", "GPUUtilization"): 90.0,
        ("gpu", "gpu0", "GPUMemoryUtilization"): 25.0,
        ("memory", "GPUMemoryUsedBytes", "gpu0"): 20,
        ("memory", "MemoryUsedPercent", ""): 25.0,
        ("memory", "MemoryUsedBytes", ""): 300,
        ("i/o", "IOPS", ""): 7,
        ("i/o", "ReadThroughputInBytesPerSecond", ""): 8e6,
        ("i/o", "WriteThroughputInBytesPerSecond", ""): 9,
        ("network", "ReceiveBytesPerSecond", "Algorithm"): 10,
        ("network", "TransmitBytesPerSecond", "Algorithm"): 11,
    }


def test_what_a_gpu_does_not_say_is_not_written() -> None:
    sample = list(events(Counters({}, 1, 2), proc.Usage(), [GpuUsage(None, 1, 4)]))
    assert [event[2:] for event in sample if event[0] == "gpu"] == [("GPUMemoryUtilization", 25.0)]


def test_every_line_is_json_by_itself(tmp_path: Path) -> None:
    files = SystemFiles(tmp_path, "algo-1")
    files.add(events(Counters({}, 1, 2), proc.Usage(), []), 60.0)
    files.close()
    (path,) = tmp_path.rglob("*.json")
    assert all(json.loads(line)["NodeId"] == "algo-1" for line in path.read_text().splitlines())
    assert files.written == path.stat().st_size


@pytest.mark.parametrize(("at", "next_due"), [(10.0, 10.5), (10.2, 10.5), (10.25, 10.75), (30.0, 30.5)])
def test_samples_keep_their_pace_and_do_not_catch_up(at: float, next_due: float) -> None:
    assert after(10.0, at, 0.5) == next_due
