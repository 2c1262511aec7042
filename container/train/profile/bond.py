"""What ties a process to the one that started it; standard library only."""

from __future__ import annotations

import ctypes
import signal

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel end this process with its parent, and nothing before.

    What is meant for the job may reach its whole group; until the job's end there is something to do. The parent may
    have ended before the kernel was asked to tell: ``os.getppid()`` is another then.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for word in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(word, signal.SIG_IGN)
