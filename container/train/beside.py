"""Processes that work beside a training: what they are started with, and how they keep out of its way.

Standard library only: some run without site-packages.
"""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

LOWEST_PRIORITY = 19

_ROOT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1


def environment() -> dict[str, str]:
    """Ours, in which ``container`` can be imported, with one thread whatever numpy was built with.

    The cores are the training's.
    """
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    return {**os.environ, **one_thread, "PYTHONPATH": path}


def outlive_signals() -> None:
    """Leave what is meant for the job, and may reach its whole group: until the job's end there is something to do."""
    for word in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(word, signal.SIG_IGN)


def end_with_parent() -> None:
    """Have the kernel end this process with its parent, and nothing before.

    The parent may have ended before the kernel was asked to tell: ``os.getppid()`` is another then.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    outlive_signals()
