"""Files written whole or not at all, and a full disk told as a sentence."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from container.common.errors import StorageError, first_line

_PARTIAL = ".partial-"

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up", errno.EFBIG: "a size limit"}
_DENIED = {errno.EACCES: "permission denied", errno.EPERM: "permission denied", errno.EROFS: "read-only disk"}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn a full or unwritable disk, met while writing ``path``, into a StorageError of one sentence.

    Torch, safetensors and OpenVINO wrap the system's error in their own, so its number and its
    words are looked for along the whole chain.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as exc:
        reason = _reason(exc)
        if reason is None:
            raise
        remedy = "give the job a larger volume or free some space"
        if reason in _DENIED.values():
            remedy = "make it writable for the user the container runs as"
        raise StorageError(f"{path} cannot be written: {reason}; {remedy}, and start the job again.") from exc


def _reason(exc: BaseException | None) -> str | None:
    known = {**_FULL, **_DENIED}
    while exc is not None:
        number = getattr(exc, "errno", None)
        if number in known:
            return known[number]
        for code, reason in known.items():
            if os.strerror(code).lower() in str(exc).lower() or f"(os error {code})" in str(exc):
                return reason
        exc = exc.__cause__ or exc.__context__
    return None


def write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Write ``path`` through a neighbour that is renamed when complete and on the disk.

    Raises StorageError when the disk is full or cannot be written; the old file then stands.
    """
    partial = path.with_name(f"{path.name}{_PARTIAL}{os.getpid()}")
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                # Tells ``sweep`` that somebody is writing; freed by the kernel with the process.
                with contextlib.suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def sweep(*folders: Path) -> None:
    """Remove what a process that was killed left half written under ``folders``."""
    for folder in folders:
        for partial in folder.rglob(f"*{_PARTIAL}*"):
            # Of another user, on a disk without locks, or being written: left where it is.
            with contextlib.suppress(OSError), partial.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                partial.unlink()


def load(path: Path) -> Any:
    """What torch.save wrote, tensors and plain containers only: no code of a file is ever run.

    Raises OSError, or ValueError for a file that is damaged or holds anything else.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as exc:
        # On damaged bytes torch raises whatever its unpickler met: struct.error, KeyError, IndexError, ...
        raise ValueError(first_line(exc)) from exc


def write_text(path: Path, text: str) -> None:
    """``write`` for text, in UTF-8."""
    write(path, lambda file: file.write(text.encode("utf-8")))
