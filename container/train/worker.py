"""One of torchrun's processes: ``python -m container.train.worker``."""

from __future__ import annotations

import os
import sys

from container.common.hyperparameters import parse
from container.train import entry
from container.train.console import Console, refused
from container.train.paths import Paths
from container.train.stopping import StopSignal


def main() -> int:
    """Run this process's part of the job; the exit status."""
    paths = Paths.from_environment()
    stop = StopSignal()
    stop.install()

    def work() -> None:
        entry.run_here(paths, parse(entry.raw_hyperparameters(paths)), stop)

    # The process that started torchrun tells of a stop, once for all.
    reason = entry.guarded(paths, work, stop=stop, console=Console(silent=True))
    if reason is not None:
        return refused(reason)
    return 0


def end(status: int) -> None:
    """Leave without taking the interpreter down, which would free the process group (``world._KEPT``)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    end(main())
