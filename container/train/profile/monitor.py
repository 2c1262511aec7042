"""python -S -m container.train.profile.monitor ROOT NODE INTERVAL_MS PARENT [SECONDS]: samples the system until PARENT
ends, and after SECONDS starts the process in which profiler rules look at what there is.

A process of its own, without torch and numpy: it shares no interpreter lock with the training, and cannot take it
down. The kernel ends it with the process that started it, and its own child with it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from container.train.beside import end_with_parent
from container.train.profile import proc
from container.train.profile.gpu import Gpus
from container.train.profile.system_files import SystemFiles, events

# A day of samples must not fill a disk: at each so many bytes the pace is halved.
BYTES_AT_A_PACE = 32 << 20


def main(arguments: list[str]) -> int:
    """The exit status: 0 when the parent has ended, 1 with a sentence on stderr when nothing can be written."""
    root, node, interval, parent = Path(arguments[0]), arguments[1], int(arguments[2]) / 1000, int(arguments[3])
    end_with_parent()
    files, gpus = SystemFiles(root, node), Gpus(visible=os.environ.get("CUDA_VISIBLE_DEVICES"))
    before, then = proc.read(), time.monotonic()
    due, paces = then + interval, 1
    looks = then + float(arguments[4]) if len(arguments) > 4 else None
    # The parent may have ended before the kernel was asked to tell.
    while os.getppid() == parent:
        time.sleep(max(0.0, due - time.monotonic()))
        now, at = proc.read(), time.monotonic()
        try:
            files.add(events(now, proc.usage(before, now, at - then), gpus.read()), time.time())
        except OSError as exc:
            sys.stderr.write(f"system metrics cannot be written to {root} ({exc.strerror})")
            return 1
        if looks is not None and at >= looks:
            looks = None
            _look(root)
        before, then = now, at
        if files.written > paces * BYTES_AT_A_PACE:
            paces, interval = paces + 1, 2 * interval
        due = after(due, at, interval)
    return 0


def _look(root: Path) -> None:
    """Start ``scan``. What keeps it from looking keeps the job from its last look too, which says so.

    Where there is no process to be had, all rules look at the job's end, and there are samples for them till then.
    """
    silent = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    command = [sys.executable, "-W", "ignore", "-m", "container.train.profile.scan", str(root), str(os.getpid())]
    with contextlib.suppress(OSError):
        os.posix_spawn(sys.executable, command, os.environ, file_actions=silent)


def after(due: float, at: float, interval: float) -> float:
    """When to sample next, having sampled ``at`` what was ``due``.

    What was missed on a machine that is too busy is not made up for: rates over an instant mean nothing.
    """
    return due + interval if at < due + interval / 2 else at + interval


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
