"""The detached process that looks after one training job, search, endpoint or batch transform job.

    python -m launcher.local.supervisor .sagemaker/training-jobs/NAME

Nothing depends on the terminal that started it. It is the only writer of the resource's record; a stop
request is a file beside it, or SIGTERM. It ends with the work, and the work never outlives it by design:
when it was itself killed, the next reader sweeps up what it left (``launcher.local.reconcile``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from container.common.errors import ContainerError
from launcher.errors import LauncherError
from launcher.local import store
from launcher.local.processes import Handle, descendants
from launcher.local.settings import Settings

_PR_SET_CHILD_SUBREAPER = 36


class StopSignal:
    """True once a stop has been asked for, by the file or by SIGTERM, or the folder itself was taken away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / store.STOP
        self._signalled = False

    def catch(self) -> None:
        """Let SIGTERM ask for a stop."""
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._signalled = True

    def __call__(self) -> bool:
        return self._signalled or self._file.exists() or not self._folder.exists()


def sentence(error: BaseException, place: Path) -> str:
    """One sentence for a person from whatever went wrong."""
    if isinstance(error, (LauncherError, ContainerError)):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full under {error.filename or place}; make room and start again."
    if isinstance(error, PermissionError):
        return f"{error.filename or place} cannot be written; change its permissions, or use another folder."
    if isinstance(error, shutil.Error):
        # copytree gathers what it could not copy: source, destination and reason of each.
        source, _destination, why = error.args[0][0]
        return f"{source} cannot be copied ({why}); repair it or take it away, and start again."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename or place}; put that right and start again."
    return f"Internal error of the local door, {type(error).__name__}: {error} (see {place / 'supervisor.log'})."


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent dies, so that none is lost sight of (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_remains() -> None:
    """End whatever is still below this process."""
    for handle in descendants(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(handle.pid, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Look after the resource in the folder given; its kind is the folder's parent."""
    from launcher.local.batch import supervise_transform
    from launcher.local.endpoint import supervise_endpoint
    from launcher.local.job import supervise_job

    folder = Path(arguments[0])
    settings = Settings.of(store.read_json(folder / store.SETTINGS) or {})
    # Whoever started us notes the same, unless it was killed before it could.
    me = Handle.of(os.getpid())
    store.write_json(folder / store.SUPERVISOR, {"pid": me.pid, "started": me.started})
    stop = StopSignal(folder)
    stop.catch()
    if folder.parent.name == store.TUNING_JOBS:
        return _search(folder, settings, stop)
    adopt_orphans()
    try:
        if folder.parent.name == store.TRAINING_JOBS:
            supervise_job(folder, settings, stop)
        elif folder.parent.name == store.TRANSFORM_JOBS:
            supervise_transform(folder, settings, stop)
        else:
            supervise_endpoint(folder, settings, stop)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        kill_remains()
    return 0


def _search(folder: Path, settings: Settings, stop: StopSignal) -> int:
    """Look after a search. Its trials have supervisors of their own, which may outlive it and are never killed."""
    from launcher.local.tuning.search import supervise_search

    try:
        supervise_search(folder, settings, stop)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
