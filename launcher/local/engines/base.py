"""The small interface both engines keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from launcher.local.processes import Handle

Say = Callable[[str], None]


class Cancelled(Exception):
    """A stop request came while the engine was being made ready."""


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine that the work sees at ``target`` (a path under /opt/ml)."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is to run: one host a private /opt/ml folder, each with its own log."""

    name: str
    role: str
    image: str
    folders: Mapping[str, Path]
    logs: Mapping[str, Path]
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    gpu: bool = False
    isolated: bool = False


class Run(Protocol):
    """Work that has been started."""

    @property
    def handles(self) -> dict[str, Any]:
        """What must be cleaned away if nobody is left to call ``close``; JSON, for ``Engine.sweep``."""

    @property
    def statuses(self) -> dict[str, int | None]:
        """Each host's exit status, or None while it runs."""

    def poll(self) -> int | None:
        """The exit status, or None while it runs; the first host to fail decides."""

    def wait(self, seconds: float) -> int | None:
        """``poll``, as soon as it has ended or else after ``seconds``."""

    def address(self) -> tuple[str, int] | None:
        """Host and port of a server, or None while it is not known yet."""

    def terminate(self) -> None:
        """Ask to end (SIGTERM to the main process of each host)."""

    def close(self) -> None:
        """End everything at once and leave nothing behind: processes, containers, networks, foreign owners."""


def outcome(statuses: Mapping[str, int | None]) -> int | None:
    """What several hosts come to: a failed one's status; 0 when all ended well; None while any runs."""
    failed = [status for status in statuses.values() if status]
    if failed:
        return failed[0]
    return None if None in statuses.values() else 0


class Engine(Protocol):
    """Runs workloads; several hosts of one meet over the network ``interface``."""

    name: str
    interface: str

    def prepare(self, role: str, image: str, *, gpu: bool, say: Say, cancelled: Callable[[], bool]) -> None:
        """Make the environment or image ready. Raises EngineError, or Cancelled."""

    def base(self, folder: Path) -> str:
        """What the work calls its private ``folder``: /opt/ml in a container."""

    def start(self, workload: Workload, *, note: Callable[[dict[str, Any]], None]) -> Run:
        """Start the work; ``note`` is told the handles as soon as there is something to clean away."""

    def python(self, folder: Path, image: str) -> tuple[list[str], str]:
        """The words that start the training side's Python to read ``folder``, and what it calls that folder."""

    def sweep(self, handles: Mapping[str, Any]) -> None:
        """Clean away what a supervisor that died has left running."""


def handle_documents(handles: list[Handle]) -> list[dict[str, Any]]:
    """Handles as JSON."""
    return [{"pid": handle.pid, "started": handle.started} for handle in handles]


def handles_of(documents: Mapping[str, Any]) -> list[Handle]:
    """Handles from JSON."""
    return [Handle(int(each["pid"]), str(each["started"])) for each in documents.get("processes", [])]
