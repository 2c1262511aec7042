"""Files under the URIs that stand for S3's: listed, read as streams, and written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from launcher.doors import Listed
from launcher.errors import NotFound, UnusableData
from launcher.local.uris import to_path


def read(uri: str) -> IO[bytes]:
    """The file at ``uri``, which the caller closes. Raises NotFound."""
    try:
        return to_path(uri).open("rb")
    except FileNotFoundError as exc:
        raise NotFound(f"There is nothing at {uri}.") from exc


def write(uri: str, file: Path, *, key: str | None = None) -> None:
    """Put a copy of ``file`` at ``uri``; a KMS ``key`` is AWS's alone."""
    place = to_path(uri)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f"{place.name}.{os.getpid()}.partial")
    try:
        shutil.copyfile(file, partial)
        partial.replace(place)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def listing(uri: str) -> Iterator[Listed]:
    """Each file below the folder ``uri``; nothing where there is no folder.

    Raises UnusableData, and OSError for a folder that cannot be read.
    """
    folder = to_path(uri)
    for path in files(folder) if folder.is_dir() else ():
        status = path.stat()
        yield Listed(path.relative_to(folder).as_posix(), status.st_size, status.st_mtime)


def files(folder: Path) -> Iterator[Path]:
    """All files below, in order, but for hidden ones, as they would be sent to S3.

    Raises UnusableData for what S3 could not hold, and OSError for what cannot be read.
    """
    for root, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for inner in (Path(root) / name for name in folders):
            if inner.is_symlink():
                raise UnusableData(f"{inner} is a link to a folder, which is not followed; copy the folder there.")
        for name in sorted(names):
            path = Path(root) / name
            if name.startswith(".") or not path.is_file():
                continue
            place = path.relative_to(folder).as_posix()
            try:
                place.encode()
            except UnicodeEncodeError as exc:
                raise UnusableData(f"The name {place!a} is no text, which S3 needs; rename the file.") from exc
            yield path


def _raise(error: OSError) -> None:
    raise error
