"""model.tar.gz and output.tar.gz: packed as SageMaker packs them, unpacked as nothing should trust them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from launcher.errors import LauncherError

# Weights hardly compress: the lowest level costs a fraction of the default's time for nearly its size.
_LEVEL = 1


def pack(folders: Sequence[Path], archive: Path) -> bool:
    """Pack what the folders hold into ``archive``, whole or not at all; False when they hold nothing.

    Of a path that several folders have, the first one's counts: several hosts, one archive.
    """
    chosen: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            chosen.setdefault(str(path.relative_to(folder)), path)
    if not any(path.is_file() for path in chosen.values()):
        return False
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(archive.name + ".partial")
    try:
        with tarfile.open(partial, "w:gz", compresslevel=_LEVEL) as tar:
            for name, path in chosen.items():
                tar.add(path, arcname=name, recursive=False)
        partial.replace(archive)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return True


def unpack(archive: Path, folder: Path) -> None:
    """Unpack files and folders, refusing whatever would leave ``folder``. Raises LauncherError in a sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as tar:
            # Python before 3.11.4 has no filters; the check of our own is stricter than "data" in any case.
            extra = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            tar.extractall(folder, members=_harmless(tar, archive), **extra)  # type: ignore[arg-type]
    except FileNotFoundError as exc:
        raise LauncherError(f"There is no model at {archive}; has the job that makes it completed?") from exc
    except (tarfile.TarError, EOFError, OSError) as exc:
        if getattr(exc, "errno", None) is not None:
            raise
        raise LauncherError(
            f"{archive} is not a readable tar.gz ({exc}); take it again from the job's output."
        ) from exc


def _harmless(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        parts = Path(member.name).parts
        if member.name.startswith("/") or ".." in parts or not (member.isfile() or member.isdir()):
            raise LauncherError(
                f"{archive} holds {member.name!r}, which is no plain file inside it; a model is made of plain files."
            )
        yield member


def read_member(archive: Path, name: str) -> dict[str, Any]:
    """A JSON document inside an archive. Raises LauncherError when it is not there."""
    try:
        with tarfile.open(archive, "r:*") as tar:
            file = tar.extractfile(name)
            document: dict[str, Any] = json.load(file) if file else {}
            return document
    except (KeyError, tarfile.TarError, OSError, ValueError) as exc:
        raise LauncherError(f"{archive} holds no readable {name} ({exc}); is it a model of this project?") from exc
