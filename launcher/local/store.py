"""The local door's state: one folder a resource, plain JSON, readable by anyone at any moment.

    .sagemaker/training-jobs/NAME/{request,record,settings,supervisor,handles}.json
                                  logs/algo-1.log  ml/algo-1/…  supervisor.log  stop
    .sagemaker/tuning-jobs/NAME/{request,record,settings,supervisor,search,known,trials}.json  supervisor.log  stop
    .sagemaker/endpoints/NAME/…   the same, with logs/AllTraffic.log and ml/model/
    .sagemaker/transform-jobs/NAME/…  the same, with logs/server.log and logs/server-data-log.log
    .sagemaker/models/NAME/request.json
    .sagemaker/endpoint-configs/NAME/request.json

A document is written beside its place and renamed into it, and a resource's folder likewise, so that a
reader in another shell sees all of it or nothing. All of it is its owner's alone: requests hold the values of
--env, which may be secrets.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launcher.errors import EngineError

TRAINING_JOBS, ENDPOINTS, MODELS, ENDPOINT_CONFIGS = "training-jobs", "endpoints", "models", "endpoint-configs"
TUNING_JOBS, TRANSFORM_JOBS = "tuning-jobs", "transform-jobs"

REQUEST, RECORD, SETTINGS = "request.json", "record.json", "settings.json"
SUPERVISOR, HANDLES, STOP = "supervisor.json", "handles.json", "stop"
# A training job's series of metrics; what makes it a search's trial; a search's own two documents.
METRICS, TRIAL, SEARCH, KNOWN = "metrics.jsonl", "trial.json", "search.json", "known.json"
# What jobs share: the folder that each sees as /opt/ml/cache.
CACHE = "cache"

Document = dict[str, Any]


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write ``document`` whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        write_private(partial, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        partial.replace(path)
    except OSError as exc:
        # A failed write, unlike a failed open, does not know its file.
        exc.filename = exc.filename or str(path)
        partial.unlink(missing_ok=True)
        raise


def write_private(path: Path, text: str) -> None:
    """Write a new file that no other user may read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def private_folder(root: Path, *names: str) -> Path:
    """The folder ``root/names…``, made when missing; below ``root``, and root when made here, for its owner alone.

    A root that was there before keeps its mode: it may be any folder of the user's.
    """
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = root
    for name in names:
        place = place / name
        place.mkdir(exist_ok=True, mode=0o700)
        # One that an earlier version made may be open to others.
        if place.stat().st_mode & 0o077:
            place.chmod(0o700)
    return place


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
        private_folder(self.root, kind)
        staged.mkdir(mode=0o700)
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
    """Rename a folder out of sight, then delete it; a folder that is gone already is no fault.

    Raises EngineError, and leaves all as it is, when something in it is another user's and cannot be deleted.
    """
    _make_deletable(folder)
    hidden = folder.with_name(f".{folder.name}.gone.{uuid.uuid4().hex[:8]}")
    try:
        folder.rename(hidden)
    except FileNotFoundError:
        return
    shutil.rmtree(hidden)


def _make_deletable(folder: Path) -> None:
    for place, folders, _files in os.walk(folder):
        for path in (Path(place, name) for name in folders):
            if path.is_symlink() or os.access(path, os.R_OK | os.W_OK | os.X_OK):
                continue
            if path.lstat().st_uid != os.getuid():
                raise EngineError(
                    f"{path} is another user's, most likely a container's, and cannot be deleted; take it over with "
                    f"`sudo chown -R {os.getuid()} {shlex.quote(str(folder))}`, then delete again."
                )
            path.chmod(0o700)  # before the walk goes into it
