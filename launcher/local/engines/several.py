"""Several hosts' processes as one run: all on this machine, where they meet over its loopback interface."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

from launcher.local.engines.base import Run, outcome
from launcher.local.engines.ports import Port


def meeting_words(port: Port) -> dict[str, str]:
    """What each host's process must know, for names such as algo-1 mean nothing to this machine."""
    host, number = port.address
    # The toolkit would wait a quarter of an hour for the names to mean something.
    return {"MASTER_ADDR": host, "MASTER_PORT": str(number), "SM_STUDIO_LOCAL_MODE": "true"}


class HostRuns:
    """Runs of one host each; ``runs`` may still grow."""

    def __init__(self, runs: Sequence[Run], meeting: Port) -> None:
        self._runs = runs
        self._meeting = meeting

    @property
    def handles(self) -> dict[str, Any]:
        """Every host's own."""
        return {"hosts": [run.handles for run in self._runs]}

    @property
    def statuses(self) -> dict[str, int | None]:
        """Each host's exit status, or None while it runs."""
        return {host: status for run in self._runs for host, status in run.statuses.items()}

    def poll(self) -> int | None:
        """A failed host's status; 0 when all ended well; None while any runs."""
        return outcome(self.statuses)

    def wait(self, seconds: float) -> int | None:
        """``poll``, after ``seconds``."""
        time.sleep(seconds)
        return self.poll()

    def address(self) -> tuple[str, int] | None:
        """None: several hosts train, and nobody asks them anything."""
        return None

    def terminate(self) -> None:
        """SIGTERM to each host's main process."""
        for run in self._runs:
            run.terminate()

    def close(self) -> None:
        """Kill what is left of any host, whatever becomes of another."""
        with contextlib.ExitStack() as closing:
            closing.callback(self._meeting.close)
            for run in self._runs:
                closing.callback(run.close)
