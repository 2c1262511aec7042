"""Files under the URIs that stand for S3's, read as streams."""

from __future__ import annotations

from typing import IO

from launcher.errors import NotFound
from launcher.local.uris import to_path


def read(uri: str) -> IO[bytes]:
    """The file at ``uri``, which the caller closes. Raises NotFound."""
    try:
        return to_path(uri).open("rb")
    except FileNotFoundError as exc:
        raise NotFound(f"There is nothing at {uri}.") from exc
