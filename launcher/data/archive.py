"""Zip archives of other people, unpacked with care: nothing leaves the folder, nothing fills the disk.

extract(Path("dogImages.zip"), Path("work"))
"""

from __future__ import annotations

import errno
import lzma
import re
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from launcher.data.errors import DatasetError
from launcher.data.samples import hidden

SUFFIX = ".zip"

_UTF8 = 0x800
_ENCRYPTED = 0x1
_COPIED_AT_ONCE = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Limits:
    """What an archive of pictures never is: pictures hardly shrink when they are packed."""

    files: int = 5_000_000
    # The largest picture, unpacked.
    file_bytes: int = 512 * 2**20
    total_bytes: int = 200 * 2**30
    # Unpacked to packed size, once there are more than ``plain_bytes``.
    ratio: float = 50
    plain_bytes: int = 256 * 2**20


def extract(archive: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack ``archive`` into ``folder``, which is made. Raises DatasetError before the first file for a bad one."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked(archive, opened, limits or Limits())
            free = shutil.disk_usage(folder.parent).free
            needed = sum(member.file_size for member, _ in members)
            if needed > free:
                raise DatasetError(
                    f"{archive} unpacks to {_size(needed)}, and the disk has {_size(free)} left; make room, or prepare "
                    "another folder."
                )
            made: set[Path] = set()
            for member, name in members:
                _write(opened, member, folder / name, made)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeError) as exc:
        raise DatasetError(f"{archive} is damaged or no zip archive ({exc}); download it again.") from exc
    except RuntimeError as exc:  # what zipfile raises for a password
        raise DatasetError(f"{archive} cannot be unpacked: {exc}.") from exc


def _checked(archive: Path, opened: zipfile.ZipFile, limits: Limits) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files to unpack and where to, once all of them have been looked at."""
    entries = opened.infolist()
    if len(entries) > limits.files:
        raise DatasetError(f"{archive} holds {len(entries)} files, and {limits.files} are the most; split it.")
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for entry in entries:
        name = _name(archive, entry)
        if entry.is_dir() or any(hidden(Path(part)) for part in name.parts):
            continue
        _check_kind(archive, entry, name)
        if entry.file_size > limits.file_bytes:
            raise DatasetError(
                f"{archive} holds '{name}', which unpacks to {_size(entry.file_size)}: no picture is so large; remove "
                "it from the archive."
            )
        if name in members:
            raise DatasetError(f"{archive} holds '{name}' twice; unpack it yourself and give the folder.")
        members[name] = entry
    total = sum(entry.file_size for entry in members.values())
    packed = max(1, archive.stat().st_size)
    if total > limits.total_bytes or (total > limits.plain_bytes and total > limits.ratio * packed):
        raise DatasetError(
            f"{archive} has {_size(packed)} and would unpack to {_size(total)}, which no archive of pictures does; "
            "unpack it yourself if you trust it, and give the folder."
        )
    return [(entry, name) for name, entry in members.items()]


def _name(archive: Path, entry: zipfile.ZipInfo) -> PurePosixPath:
    """The entry's place below the folder. Raises DatasetError for one that leads out of it."""
    # Windows' slashes are separators wherever the archive is unpacked.
    name = _decoded(entry).replace("\\", "/")
    place = PurePosixPath(name)
    if not place.parts or place.is_absolute() or ".." in place.parts or _DRIVE.match(name):
        raise DatasetError(
            f"{archive} holds {name!r}, a name that may lead out of the folder; nothing was unpacked. Pack it again "
            "with plain names."
        )
    return place


def _decoded(entry: zipfile.ZipInfo) -> str:
    """The entry's name: many programs write UTF-8 without saying so, and zipfile then reads it as that of a PC."""
    if entry.flag_bits & _UTF8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _check_kind(archive: Path, entry: zipfile.ZipInfo, name: PurePosixPath) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        what = "a link" if stat.S_ISLNK(mode) else "no plain file"
        raise DatasetError(
            f"{archive} holds '{name}', which is {what}; nothing was unpacked. Pack it again with the files themselves."
        )
    if entry.flag_bits & _ENCRYPTED:
        raise DatasetError(f"{archive} is locked with a password; unpack it yourself and give the folder.")


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, made: set[Path]) -> None:
    try:
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        # zipfile gives no more bytes than the size that was checked, whatever the packed ones would unpack to.
        with opened.open(member) as packed, target.open("xb") as file:
            shutil.copyfileobj(packed, file, _COPIED_AT_ONCE)
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DatasetError(
            f"{opened.filename} holds {member.filename!r}, which cannot be unpacked here ({exc.strerror or exc}); "
            "unpack it yourself and give the folder."
        ) from exc


def _size(count: int) -> str:
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} bytes"
