"""What NVIDIA's management library tells of each GPU; asked by ctypes, and not there where there is no driver."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"


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
    """The machine's GPUs; none without the library, the driver or a device."""

    def __init__(self, library: Any = None) -> None:
        self._handles: list[ctypes.c_void_p] = []
        try:
            self._library = library or ctypes.CDLL(_LIBRARY)
        except OSError:
            return
        count = ctypes.c_uint()
        if self._library.nvmlInit_v2() or self._library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return
        for index in range(count.value):
            handle = ctypes.c_void_p()
            if not self._library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
                self._handles.append(handle)

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
