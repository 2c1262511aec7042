"""What NVIDIA's management library tells of each GPU of the job; asked by ctypes, and not there without a driver.

The library knows all GPUs of the machine; the job's are those that CUDA_VISIBLE_DEVICES names, as the CUDA C++
programming guide has it ("CUDA environment variables"): indices or UUIDs, up to the first that is none; all, where the
variable is not set.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
# NVML_DEVICE_UUID_V2_BUFFER_SIZE.
_UUID_BYTES = 96


class _Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


@dataclass(frozen=True)
class GpuUsage:
    """Percent of the time a kernel ran, None where the device does not say (a MIG part), and memory in bytes."""

    busy: float | None
    memory_used: int
    memory_total: int


class Gpus:
    """The job's GPUs; none without the library, the driver or a device. ``visible`` is CUDA_VISIBLE_DEVICES."""

    def __init__(self, library: Any = None, *, visible: str | None = None) -> None:
        self._handles: list[ctypes.c_void_p] = []
        if visible is not None and not visible.strip():
            return
        try:
            self._library = library or ctypes.CDLL(_LIBRARY)
        except OSError:
            return
        count = ctypes.c_uint()
        if self._library.nvmlInit_v2() or self._library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return
        self._handles += self._all(count.value) if visible is None else self._named(visible, count.value)

    def _all(self, count: int) -> Iterator[ctypes.c_void_p]:
        for index in range(count):
            handle = ctypes.c_void_p()
            if not self._library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
                yield handle

    def _named(self, visible: str, count: int) -> Iterator[ctypes.c_void_p]:
        there = list(self._all(count))
        for word in map(str.strip, visible.split(",")):
            if word.isascii() and word.isdigit():
                found = there[int(word) : int(word) + 1]
            else:
                # CUDA takes the beginning of a GPU's UUID for it; a part of a GPU is not among those with an index.
                found = [each for each in there if self._uuid(each).startswith(word)] if word else []
                part = ctypes.c_void_p()
                if not found and not self._library.nvmlDeviceGetHandleByUUID(word.encode(), ctypes.byref(part)):
                    found = [part]
            if len(found) != 1:
                return
            yield from found

    def _uuid(self, handle: ctypes.c_void_p) -> str:
        text = ctypes.create_string_buffer(_UUID_BYTES)
        return "" if self._library.nvmlDeviceGetUUID(handle, text, _UUID_BYTES) else text.value.decode()

    def read(self) -> list[GpuUsage]:
        """Each GPU, in the library's order."""
        return [self._one(handle) for handle in self._handles]

    def _one(self, handle: ctypes.c_void_p) -> GpuUsage:
        busy, memory = _Utilization(), _Memory()
        failed = self._library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(busy))
        unknown = self._library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
        return GpuUsage(
            None if failed else float(busy.gpu), 0 if unknown else memory.used, 0 if unknown else memory.total
        )
