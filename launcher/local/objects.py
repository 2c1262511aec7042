"""Files under the URIs that stand for S3's, read as streams, and written whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO

from launcher.errors import NotFound
from launcher.local.uris import to_path


def read(uri: str) -> IO[bytes]:
    """The file at ``uri``, which the caller closes. Raises NotFound."""
    try:
        return to_path(uri).open("rb")
    except FileNotFoundError as exc:
        raise NotFound(f"There is nothing at {uri}.") from exc


def write(uri: str, file: Path) -> None:
    """Put a copy of ``file`` at ``uri``, in a folder that is there."""
    place = to_path(uri)
    partial = place.with_name(f"{place.name}.{os.getpid()}.partial")
    try:
        shutil.copyfile(file, partial)
        partial.replace(place)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
