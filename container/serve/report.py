"""What a worker tells the gate, through two files in the server's private folder.

multi-model-server starts a worker that fails again and again and tells nobody why. So a worker notes
each time it begins to load a model, and writes down, in one sentence, why it could not.
"""

from __future__ import annotations

import os
from pathlib import Path

# The folder's name travels to the workers in this variable.
VARIABLE = "SERVE_REPORT_DIR"

_LOADS, _FAILURE = "loads", "failure"


def note_loading() -> None:
    """A worker begins to load its model."""
    folder = os.environ.get(VARIABLE)
    if folder:
        with (Path(folder) / _LOADS).open("a") as file:
            file.write(f"{os.getpid()}\n")


def note_failure(sentence: str) -> None:
    """A worker could not load its model, for this reason."""
    folder = os.environ.get(VARIABLE)
    if folder:
        partial = Path(folder) / f"{_FAILURE}.{os.getpid()}"
        partial.write_text(sentence, encoding="utf-8")
        partial.replace(Path(folder) / _FAILURE)


def loads(folder: Path) -> int:
    """How often a worker has begun to load."""
    try:
        return len((folder / _LOADS).read_text().splitlines())
    except FileNotFoundError:
        return 0


def failure(folder: Path) -> str | None:
    """Why the last worker that failed to load did so, or None."""
    try:
        return (folder / _FAILURE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def clear(folder: Path) -> None:
    """Forget what was told: all is well again."""
    (folder / _LOADS).unlink(missing_ok=True)
    (folder / _FAILURE).unlink(missing_ok=True)
