"""System metrics as SageMaker Debugger stores them, and as smdebug's ``LocalSystemMetricsReader`` parses them.

    ROOT/system/incremental/2026112012/1795176960.algo-1.json      a file a minute and node, a folder an hour (UTC)
    {"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":98.0,"NodeId":"algo-1","Timestamp":1795176961.5}

Names and dimensions are those that SageMaker's own files have; bytes of memory, which it leaves out, are added.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from container.train.profile.gpu import GpuUsage
from container.train.profile.proc import Counters, Usage

FOLDER = "system/incremental"

CPU, IO_WAIT = "CPUUtilization", "I/OWaitPercentage"
GPU, GPU_MEMORY = "GPUUtilization", "GPUMemoryUtilization"
MEMORY, MEMORY_BYTES, GPU_MEMORY_BYTES = "MemoryUsedPercent", "MemoryUsedBytes", "GPUMemoryUsedBytes"
IOPS, READ, WRITTEN = "IOPS", "ReadThroughputInBytesPerSecond", "WriteThroughputInBytesPerSecond"
RECEIVED, SENT = "ReceiveBytesPerSecond", "TransmitBytesPerSecond"
# The network of what is trained, which SageMaker tells from its own.
ALGORITHM = "Algorithm"

Event = tuple[str, str, str, float]


def events(counters: Counters, usage: Usage, gpus: Sequence[GpuUsage]) -> Iterator[Event]:
    """(Type, Name, Dimension, Value) of one sample."""
    for core, busy in usage.busy.items():
        yield "cpu", f"cpu{core}", CPU, busy
        yield "cpu", f"cpu{core}", IO_WAIT, usage.waiting[core]
    for index, gpu in enumerate(gpus):
        # What is not known is not written: an idle GPU is something else.
        if gpu.busy is not None:
            yield "gpu", f"gpu{index}", GPU, gpu.busy
        yield "gpu", f"gpu{index}", GPU_MEMORY, 100.0 * gpu.memory_used / max(gpu.memory_total, 1)
        yield "memory", GPU_MEMORY_BYTES, f"gpu{index}", gpu.memory_used
    yield "memory", MEMORY, "", 100.0 * counters.memory_used / max(counters.memory_total, 1)
    yield "memory", MEMORY_BYTES, "", counters.memory_used
    yield "i/o", IOPS, "", usage.iops
    yield "i/o", READ, "", usage.read
    yield "i/o", WRITTEN, "", usage.written
    yield "network", RECEIVED, ALGORITHM, usage.received
    yield "network", SENT, ALGORITHM, usage.sent


def path_of(root: Path, node: str, timestamp: float) -> Path:
    """The file that what happens at ``timestamp`` (seconds since 1970) goes to."""
    hour = time.strftime("%Y%m%d%H", time.gmtime(timestamp))
    return root / FOLDER / hour / f"{int(timestamp) // 60 * 60}.{node}.json"


class SystemFiles:
    """Writes samples; each is one write to the file's end, so that no line is ever half there."""

    def __init__(self, root: Path, node: str) -> None:
        self._root, self._node = root, node
        self._path, self._file = Path(), -1
        self.written = 0

    def add(self, sample: Iterator[Event], timestamp: float) -> None:
        """Write a sample. Raises OSError."""
        path = path_of(self._root, self._node, timestamp)
        if path != self._path:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.close()
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._path = path
        end = f'"NodeId":"{self._node}","Timestamp":{timestamp:.6f}}}\n'
        lines = [
            f'{{"Type":"{kind}","Name":"{name}","Dimension":"{dimension}","Value":{value:.2f},{end}'
            for kind, name, dimension, value in sample
        ]
        self.written += os.write(self._file, "".join(lines).encode())

    def close(self) -> None:
        """The file that is open."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
