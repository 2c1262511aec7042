"""What a worker tells the gate, through files in the server's private folder.

multi-model-server calls a worker READY from the moment it exists, starts one that fails again and again,
and tells nobody why. So a worker itself notes when it begins to load its model and when it has made its
warm-up prediction, and writes down why it could not: what a worker prints may be lost, since the server
ends it as soon as it has failed.

Where there are several models, each load is answered by the server itself, and two things alone are told:
why a model could not be loaded, and which one did not fit into memory.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

# The folder's name travels to the workers in this variable.
VARIABLE = "SERVE_REPORT_DIR"

_LOADS, _READY, _FAILURE, _SHORT = "loads", "ready", "failure", "short"


def note_loading() -> None:
    """A worker begins to load its model."""
    _append(_LOADS)


def note_ready() -> None:
    """A worker has loaded its model and predicted once."""
    _append(_READY)


def _append(name: str) -> None:
    folder = os.environ.get(VARIABLE)
    if folder:
        # One short write to a file opened for appending: several workers cannot mix their lines.
        with (Path(folder) / name).open("a") as file:
            file.write(f"{os.getpid()}\n")


def note_failure(reason: str, details: str = "") -> None:
    """A worker could not load its model, for this reason; ``details`` is the traceback of the user's code, if any."""
    _write(_FAILURE, {"reason": reason, "details": details})


def note_short(model: str, reason: str) -> None:
    """There is no memory for a model of this name."""
    _write(_SHORT, {"model": model, "reason": reason})


def _write(kind: str, document: dict[str, str]) -> None:
    """A note that is there whole or not at all."""
    folder = os.environ.get(VARIABLE)
    if folder:
        partial = Path(folder) / f"partial.{os.getpid()}"
        partial.write_text(json.dumps(document), encoding="utf-8")
        partial.replace(Path(folder) / f"{kind}.{os.getpid()}")


@dataclass(frozen=True)
class Failure:
    """Why a worker could not load its model: one sentence, and the traceback of the user's code or nothing."""

    reason: str
    details: str


@dataclass(frozen=True)
class Short:
    """A model that did not fit, and the note that says so."""

    note: Path
    model: str
    reason: str


def short(folder: Path) -> list[Short]:
    """The models that did not fit."""
    return [Short(note, **json.loads(note.read_text(encoding="utf-8"))) for note in sorted(folder.glob(f"{_SHORT}.*"))]


def age(note: Path) -> float:
    """Seconds since a note was written."""
    return time.time() - note.stat().st_mtime


def loads(folder: Path) -> int:
    """How often a worker has begun to load."""
    return len(_lines(folder / _LOADS))


def ready(folder: Path) -> int:
    """How many workers are alive and have their model ready."""
    return sum(_alive(pid) for pid in set(_lines(folder / _READY)))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


def _alive(pid: str) -> bool:
    try:
        # The state follows the name, which stands in parentheses and may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def take_failures(folder: Path) -> list[Failure]:
    """Why workers failed to load since the last look, in the order in which they did; their notes are taken away."""
    failures = []
    for note in sorted(folder.glob(f"{_FAILURE}.*"), key=age, reverse=True):
        failures.append(Failure(**json.loads(note.read_text(encoding="utf-8"))))
        note.unlink()
    return failures


def clear(folder: Path) -> None:
    """Forget earlier attempts: all is well again."""
    (folder / _LOADS).unlink(missing_ok=True)
