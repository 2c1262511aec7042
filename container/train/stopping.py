"""SIGTERM: the job is asked to stop, writes a checkpoint at the next step and leaves within 30 seconds."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

# What a shell reports for a process ended by SIGTERM.
STOPPED_STATUS = 128 + signal.SIGTERM

# A call into a library (quantization, a download) cannot be interrupted. Whatever is on the disk is
# whole at any moment, so the process may simply end.
SECONDS_OF_GRACE = 20.0


class JobStopped(Exception):
    """The job was asked to stop and has done what is needed to go on later."""


class StopSignal:
    """A flag that SIGTERM raises."""

    def __init__(self, *, grace: float = SECONDS_OF_GRACE) -> None:
        self._event = threading.Event()
        self._grace = grace

    def install(self) -> None:
        """Listen to SIGTERM; to be called in the main thread."""
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()
        timer = threading.Timer(self._grace, os._exit, args=(STOPPED_STATUS,))
        timer.daemon = True
        timer.start()

    def set(self) -> None:
        """As if the signal had come."""
        self._event.set()

    @property
    def raised(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise JobStopped when the job was asked to stop."""
        if self.raised:
            raise JobStopped
