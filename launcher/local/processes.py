"""Processes by identity: a pid alone may be another process by now, a pid with its start time may not.

handle = Handle.of(pid)
handle.alive()
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Handle:
    """A process, told apart from a later one of the same pid by when it started."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Handle:
        """The living process ``pid``; its start is "" when it is already gone."""
        return cls(pid, _start_of(pid) or "")

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return bool(self.started) and _start_of(self.pid) == self.started


def _start_of(pid: int) -> str | None:
    """A token for the process's start, or None when no such process runs."""
    if _PROC.joinpath("self/stat").exists():
        try:
            stat = _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # proc(5): fields after the parenthesised name, which may itself hold spaces; state is 3, starttime 22.
        after = stat.rpartition(")")[2].split()
        return None if after[0] in "ZX" else after[19]
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    state, _, start = shown.partition(" ")
    return None if not state or state.startswith("Z") else start.strip()


def spawn_detached(
    argv: Sequence[str], *, environment: Mapping[str, str], log: Path, stdin: int | None = None
) -> Handle:
    """Start a process in a session of its own, its output in ``log``, that outlives this one.

    Of our descriptors it has ``stdin`` alone, or none: a lock or a pipe that we were given is not held on to by it.
    """
    # posix_spawn rather than Popen: nothing here waits for it, and Popen warns of children left behind.
    given = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0) if stdin is None else (os.POSIX_SPAWN_DUP2, stdin, 0)
    files = [
        given,
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        *((os.POSIX_SPAWN_CLOSE, number) for number in _inherited()),
    ]
    defaults = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP)
    pid = os.posix_spawn(argv[0], list(argv), dict(environment), file_actions=files, setsid=True, setsigdef=defaults)
    return Handle.of(pid)


def _inherited() -> list[int]:
    """The open descriptors beyond 0-2 that an exec would keep, as those are that flock(1) or a shell leaves open."""
    found = []
    for number in [int(each.name) for each in Path("/dev/fd").iterdir()]:
        # The folder's own is closed by now.
        with contextlib.suppress(OSError):
            if number > 2 and os.get_inheritable(number):
                found.append(number)
    return found


def reap(pid: int) -> None:
    """Collect a dead child, so that it leaves no zombie; not our child is no fault."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def descendants(pid: int) -> list[Handle]:
    """Every living process below ``pid``, found by parent; empty where there is no /proc."""
    parents: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            after = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents.setdefault(int(after[1]), []).append(int(entry.parent.name))
    found: list[Handle] = []
    queue = list(parents.get(pid, []))
    while queue:
        child = queue.pop()
        found.append(Handle.of(child))
        queue.extend(parents.get(child, []))
    return [handle for handle in found if handle.started]


def kill_tree(leader: Handle, *, known: Sequence[Handle] = (), deadline: float = 10.0) -> None:
    """SIGKILL the leader's process group, everything below it, and ``known``; return when all are gone.

    ``leader`` must lead a process group. A leader that has ended may have left children: the group and
    ``known`` (descendants seen while it lived) find them.
    """
    targets = [leader, *known, *descendants(leader.pid)]
    # The kernel keeps a pid from being given again while a group of that number lives.
    if leader.alive() or not _PROC.joinpath(str(leader.pid)).exists():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, signal.SIGKILL)
    for handle in targets:
        if handle.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(handle.pid, signal.SIGKILL)
    wait_until(lambda: not any(handle.alive() for handle in targets), seconds=deadline)


def wait_until(condition: Callable[[], bool], *, seconds: float, step: float = 0.05) -> bool:
    """Poll ``condition`` until it holds (True) or ``seconds`` have passed (False)."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True
