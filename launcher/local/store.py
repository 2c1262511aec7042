"""The local door's state: one folder a resource, plain JSON, readable by anyone at any moment.

    .sagemaker/training-jobs/NAME/{request,record,settings,supervisor,handles}.json
                                  logs/algo-1.log  ml/algo-1/…  supervisor.log  stop
    .sagemaker/endpoints/NAME/…   the same, with logs/AllTraffic.log and ml/model/
    .sagemaker/models/NAME/request.json
    .sagemaker/endpoint-configs/NAME/request.json

A document is written beside its place and renamed into it, and a resource's folder likewise, so that a
reader in another shell sees all of it or nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launcher.errors import EngineError

TRAINING_JOBS, ENDPOINTS, MODELS, ENDPOINT_CONFIGS = "training-jobs", "endpoints", "models", "endpoint-configs"

REQUEST, RECORD, SETTINGS = "request.json", "record.json", "settings.json"
SUPERVISOR, HANDLES, STOP = "supervisor.json", "handles.json", "stop"

Document = dict[str, Any]


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write ``document`` whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        partial.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as exc:
        # A failed write, unlike a failed open, does not know its file.
        exc.filename = exc.filename or str(path)
        partial.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Document | None:
    """The document at ``path``, or None when there is none. Raises EngineError when it is damaged."""
    try:
        document: Document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as exc:
        raise EngineError(
            f"{path} is damaged ({exc}); remove the folder {path.parent}, which is all that is lost."
        ) from exc
    return document


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold ``path`` exclusively against other processes; the kernel frees it when the holder dies.

    Raises FileNotFoundError when its folder is gone: making it anew would take a deleted resource's name.
    """
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Store:
    """Folders of resources under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def folder(self, kind: str, name: str) -> Path:
        """Where the resource lies, or would lie."""
        return self.root / kind / name

    def create(self, kind: str, name: str, documents: Mapping[str, Document]) -> Path:
        """Make a resource with its documents, all at once.

        Raises FileExistsError when the name is taken.
        """
        place = self.folder(kind, name)
        staged = place.with_name(f".{name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
        staged.mkdir(parents=True)
        try:
            for file, document in documents.items():
                write_json(staged / file, document)
            # A rename onto a folder that holds something fails, which makes the name's owner unique.
            staged.rename(place)
        except OSError as exc:
            shutil.rmtree(staged, ignore_errors=True)
            if place.exists():
                raise FileExistsError(place) from exc
            raise
        return place

    def names(self, kind: str) -> list[str]:
        """Names of all resources of a kind, sorted."""
        folder = self.root / kind
        if not folder.is_dir():
            return []
        return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))

    def read(self, kind: str, name: str, file: str) -> Document | None:
        """A resource's document, or None."""
        return read_json(self.folder(kind, name) / file)

    def remove(self, kind: str, name: str) -> None:
        """Take a resource away: first out of sight, then off the disk. Raises OSError when it cannot."""
        discard(self.folder(kind, name))


def discard(folder: Path) -> None:
    """Rename a folder out of sight, then delete it; a folder that is gone already is no fault."""
    hidden = folder.with_name(f".{folder.name}.gone.{uuid.uuid4().hex[:8]}")
    try:
        folder.rename(hidden)
    except FileNotFoundError:
        return
    shutil.rmtree(hidden)
