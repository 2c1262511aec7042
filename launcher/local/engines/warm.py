"""Trials that start at once: jobs forked from a process that has torch, supervisors from one that has botocore.

    with WarmPool(settings, log=folder / "warm.log", environment=trial_environment) as pool:
        LocalSageMaker(root, pool.settings).create_training_job(…)

Settings with ``warm`` (a private folder with the sockets of both processes) are all that a job needs to know:
``fork_supervisor`` and the process engine ask there first, and start a process as ever when nobody answers.
Both processes are started by exec, not forked from their owner, which may have threads (Optuna's GPSampler has
torch's) that a fork would lose in the middle of holding a lock; so it does not matter when the pool is opened.
They end when the pool is closed or its owner killed; what was forked from them goes on to its own end.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from container.common import forks
from container.common.forks import Order
from launcher.local.engines.base import Say
from launcher.local.processes import Handle, reap, spawn_detached, wait_until
from launcher.local.settings import Settings

TRAIN, SUPERVISE = "train", "supervise"

# The imports of a training environment on a machine that has other things to do.
_IMPORT_SECONDS = 120.0
_FORK_SECONDS = 30.0
# A unix socket's path has 108 bytes at most.
_LONGEST_PATH = 100


class NotWarm(Exception):
    """Nothing can be forked; the message says why."""


class Forked:
    """A process that was forked to order, seen by who ordered it.

    ``judge`` is asked for its exit status when it has ended and nobody can tell: the process it was forked
    from, which alone is told by the kernel, was killed.
    """

    def __init__(self, pid: int, connection: socket.socket, judge: Callable[[], int]) -> None:
        self.pid = pid
        self._handle = Handle.of(pid)
        self._connection: socket.socket | None = connection
        self._judge = judge
        self._status: int | None = None

    @classmethod
    def order(cls, place: Path, order: Order, *, judge: Callable[[], int] = lambda: 1) -> Forked:
        """Have the process at the socket ``place`` fork. Raises NotWarm when it does not."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Until it has said that it can, nothing is ordered: what is given up here never starts later.
            connection.settimeout(_IMPORT_SECONDS)
            connection.connect(str(place))
            _hear(connection)
            connection.settimeout(_FORK_SECONDS)
            connection.sendall(order.line())
            answer = _hear(connection)
        except OSError as exc:
            connection.close()
            raise NotWarm(f"the warm process at {place} does not answer ({exc})") from exc
        if "refused" in answer:
            connection.close()
            raise NotWarm(f"the warm process at {place} refuses: {answer['refused']}")
        return cls(int(answer["pid"]), connection, judge)

    def wait_for(self, seconds: float) -> int | None:
        """The exit status, negative after a signal, at its end; None when it still runs after ``seconds``."""
        if self._status is None and self._connection is not None:
            if not select.select([self._connection], [], [], seconds)[0]:
                return None
            try:
                self._status = int(_hear(self._connection)["status"])
            except OSError:
                sys.stderr.write(f"The process that {self.pid} was forked from has ended; its outputs tell the end.\n")
            self._connection.close()
            self._connection = None
        elif self._status is None:
            if not wait_until(lambda: not self._handle.alive(), seconds=seconds):
                return None
            self._status = self._judge()
        return self._status

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, unless it has ended."""
        if self._handle.alive():
            os.kill(self.pid, number)

    def close(self) -> None:
        """Ask no longer; it is not ended by this."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _hear(connection: socket.socket) -> dict[str, Any]:
    """One line. Raises OSError when there is none."""
    line = bytearray()
    while not line.endswith(b"\n"):
        # A byte at a time: the next line may follow at once and is another call's.
        part = connection.recv(1)
        if not part:
            raise ConnectionResetError("the connection was closed")
        line += part
    heard: dict[str, Any] = json.loads(line)
    return heard


def supervisor_environment(settings: Settings) -> dict[str, str]:
    """What a supervisor is given: all that we have."""
    return {**os.environ, "PYTHONPATH": str(settings.checkout), "PYTHONUNBUFFERED": "1"}


def fork_supervisor(folder: Path, settings: Settings) -> Handle | None:
    """A supervisor of the resource in ``folder``, forked from the pool's; None when there is no such process.

    It has a session of its own, writes to supervisor.log, and outlives pool and caller, however they end.
    """
    if settings.warm is None:
        return None
    order = Order(
        argv=("launcher.local.supervisor", str(folder)),
        environment=supervisor_environment(settings),
        cwd=str(Path.cwd()),
        log=str(folder / "supervisor.log"),
    )
    try:
        forked = Forked.order(settings.warm / SUPERVISE, order)
    except NotWarm as exc:
        sys.stderr.write(f"The supervisor of {folder.name} is started anew: {exc}.\n")
        return None
    forked.close()
    return Handle.of(forked.pid)


class WarmPool:
    """Owns the two processes; ``settings`` are those of jobs that are to start from them."""

    def __init__(
        self,
        settings: Settings,
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        gpu: bool = False,
        say: Say = lambda _text: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """``environment`` is the Environment of the jobs' requests: a job with another one starts anew.

        ``say`` and ``cancelled`` are for making the training environment, which takes a minute or two the first
        time. What the processes print goes to ``log``.
        """
        self.settings = settings
        self._log = log
        self._environment = dict(environment or {})
        self._gpu = gpu
        self._say, self._cancelled = say, cancelled
        self._folder: Path | None = None
        self._processes: list[tuple[Handle, int]] = []

    def __enter__(self) -> WarmPool:
        """Start both; nobody waits for their imports. Raises EngineError or Cancelled as ``Engine.prepare`` does."""
        from launcher.local.engines.process import ProcessEngine

        if not forks.available():
            return self
        folder = Path(tempfile.mkdtemp(prefix="warm-"))
        if len(os.fsencode(folder / SUPERVISE)) > _LONGEST_PATH:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="warm-", dir="/tmp"))
        self._folder = folder
        self.settings = replace(self.settings, warm=folder)
        try:
            environment = supervisor_environment(self.settings)
            self._start([sys.executable, "-P", "-m", "launcher.local.forked", str(folder / SUPERVISE)], environment)
            if self.settings.engine == "process" and TRAIN not in self.settings.commands:
                engine = ProcessEngine(self.settings)
                engine.prepare(TRAIN, "", gpu=self._gpu, say=self._say, cancelled=self._cancelled)
                environment = engine.training_environment(folder, self._environment, gpu=self._gpu)
                argv = [engine.training_command(gpu=self._gpu)[0], "-P", "-m", "container.train.warm"]
                self._start([*argv, str(folder / TRAIN)], environment)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let both end, which they do at once unless something forked from them still runs."""
        for _handle, owned in self._processes:
            os.close(owned)
        wait_until(lambda: not any(handle.alive() for handle, _owned in self._processes), seconds=5.0)
        for handle, _owned in self._processes:
            reap(handle.pid)
        self._processes.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, argv: list[str], environment: Mapping[str, str]) -> None:
        # The process lives for as long as its input is open, and the kernel closes it when we end, however we do.
        theirs, ours = os.pipe()
        try:
            handle = spawn_detached(argv, environment=environment, log=self._log, stdin=theirs)
        finally:
            os.close(theirs)
        self._processes.append((handle, ours))
        # It listens before it imports; to whom it does not listen yet, it would seem not to be there.
        wait_until(lambda: _listens(Path(argv[-1])) or not handle.alive(), seconds=_IMPORT_SECONDS, step=0.01)


def _listens(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(place)) == 0
