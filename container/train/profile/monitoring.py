"""The system monitor's process as a training job sees it: started, and ended; its failure is a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from container.common.errors import first_line
from container.train.beside import environment

_PATIENCE_SECONDS = 5.0


class Monitoring:
    """One monitor, writing under ``root`` for ``node`` (algo-1, …).

    With ``look_after`` the profiler rules look at what is there, from so many seconds on.
    """

    def __init__(self, root: Path, node: str, interval_ms: int, *, look_after: float | None = None) -> None:
        self._root, self._node, self._interval_ms, self._look_after = root, node, interval_ms, look_after
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int | None:
        """The process, once there is one."""
        return self._process.pid if self._process else None

    def start(self) -> str | None:
        """Start the process; why it cannot be started, or None."""
        given = [str(self._root), self._node, str(self._interval_ms), str(os.getpid())]
        given += [] if self._look_after is None else [str(self._look_after)]
        try:
            self._process = subprocess.Popen(
                # Without site-packages: what they run at start-up takes longer than all of ours.
                [sys.executable, "-S", "-m", "container.train.profile.monitor", *given],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as exc:
            return f"the system cannot be monitored ({first_line(exc)}); training goes on without"
        return None

    def finish(self) -> str | None:
        """End the process; what went wrong with it before, or None."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        ended_before = process.poll() is not None
        # Each sample is one write: nothing is lost, and nothing need be tidied up.
        process.kill()
        _out, said = process.communicate(timeout=_PATIENCE_SECONDS)
        if not ended_before:
            return None
        reason = first_line(said.strip()) if said.strip() else f"exit status {process.returncode}"
        return f"the system monitor ended before the job ({reason}); the profile holds what came before"
