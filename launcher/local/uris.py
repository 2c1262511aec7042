"""Folders as the URIs that stand in S3Uri fields: file:///home/me/data."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

from launcher.errors import EngineError


def to_uri(path: Path) -> str:
    """The file:// URI of a path, made absolute."""
    return "file://" + quote(os.fsencode(path.expanduser().absolute()))


def to_path(uri: str) -> Path:
    """The path of a file:// URI. Raises EngineError for any other scheme."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise EngineError(f"The local door reads folders, not {uri}; copy it here and give file:///… or a path.")
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))
