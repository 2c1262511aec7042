"""The processes beside a job as it sees them, started and ended; their failure is a warning.

Monitoring samples the system, Scanning looks at the profile with the rules while the job runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from container.common.errors import first_line

_ROOT = Path(__file__).parents[3]
_PATIENCE_SECONDS = 5.0

# One thread, whatever numpy was built with: the cores are the training's.
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


class Beside:
    """A process that ends with the job. ``what`` it does, and what is not whole where it ends before."""

    def __init__(self, command: Sequence[str], *, what: str, left: str) -> None:
        self._command, self._what, self._left = command, what, left
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int | None:
        """The process, once there is one."""
        return self._process.pid if self._process else None

    def start(self) -> str | None:
        """Start the process; why it cannot be started, or None."""
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        try:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as exc:
            return f"{self._what} cannot be started ({first_line(exc)}); training goes on without"
        return None

    def finish(self) -> str | None:
        """End the process; what went wrong with it before, or None."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        ended_before = process.poll() is not None
        # What it writes is written whole: nothing is lost, and nothing need be tidied up.
        process.kill()
        _out, said = process.communicate(timeout=_PATIENCE_SECONDS)
        if not ended_before:
            return None
        reason = first_line(said.strip()) if said.strip() else f"exit status {process.returncode}"
        return f"{self._what} ended before the job ({reason}); {self._left}"


class Monitoring(Beside):
    """One monitor, writing under ``root`` for ``node`` (algo-1, …)."""

    def __init__(self, root: Path, node: str, interval_ms: int) -> None:
        # Without site-packages: what they run at start-up takes longer than all of ours.
        module = ["-S", "-m", "container.train.profile.monitor"]
        super().__init__(
            [*module, str(root), node, str(interval_ms), str(os.getpid())],
            what="the system monitor",
            left="the profile holds what came before",
        )


class Scanning(Beside):
    """The rules' looks at ``root``, of which the first comes after so many ``seconds``."""

    def __init__(self, root: Path, seconds: float) -> None:
        super().__init__(
            ["-W", "ignore", "-m", "container.train.profile.scan", str(root), str(seconds), str(os.getpid())],
            what="the process that evaluates profiler rules",
            left="they are evaluated at the job's end",
        )
