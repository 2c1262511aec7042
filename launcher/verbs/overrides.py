"""A packed model with another inference script: its code/ replaced, all else in it as it was.

    code = overrides.find(Path("mine"))                                   # mine/inference.py, checked
    made = overrides.put(door, "s3://bucket/out/birds/output/model.tar.gz", code)
    made.uri                                                              # …/output/model-1f2e3d4c5b6a7988.tar.gz

The same model and the same code make the same archive to the byte, and its name tells its digest: it is written once.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, BinaryIO

from container.common.artifact import CODE
from launcher.doors import Door
from launcher.errors import ConfigError, NotFound
from launcher.local.packing import Gzip, harmless, suitable_level
from launcher.sagemaker import PACKED
from launcher.verbs.outputs import readable

_FOLDER, _SCRIPT = CODE.parent.name, CODE.name
_DIGITS = 16
# A file's beginning tells whether it is worth compressing: weights have up to some 100 kB of names before them.
_AT_ONCE = 1 << 20
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


@dataclass(frozen=True)
class Code:
    """A folder with inference.py in it, and the files and folders in it, in order."""

    folder: Path
    inside: tuple[Path, ...]


@dataclass(frozen=True)
class Made:
    """Where the model with its new code lies, and whether it was there already."""

    uri: str
    known: bool


def find(folder: Path) -> Code:
    """Look over a folder of code, without running any of it. Raises NotFound and ConfigError."""
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}; give --code the one in which {_SCRIPT} lies.")
    inside = tuple(_inside(folder))
    if not (folder / _SCRIPT).is_file():
        raise ConfigError(
            f"--code {folder} holds no {_SCRIPT}, which the server would run; give the folder it lies in."
        )
    for path in inside:
        if path.suffix == ".py" and path.is_file():
            _check_syntax(path)
    return Code(folder, inside)


def _inside(folder: Path) -> Iterator[Path]:
    """All but what is hidden, and what Python keeps for itself."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ConfigError(f"{path} is a link or no plain file, and a model holds plain files; copy the file there.")
        yield path
        if path.is_dir():
            yield from _inside(path)


def _check_syntax(path: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as exc:
        raise ConfigError(f"{path} cannot be compiled (line {exc.lineno}: {exc.msg}); correct it.") from exc
    except ValueError as exc:
        raise ConfigError(f"{path} cannot be compiled ({exc}); correct it.") from exc


def put(door: Door, uri: str, code: Code, *, dry_run: bool = False) -> Made:
    """Write the model at ``uri`` again beside itself, with ``code`` in it, unless it is there.

    With ``dry_run`` nothing is written, and the address is where it would lie. Raises ConfigError, NotFound and
    UnusableData.
    """
    if not uri.endswith(PACKED):
        raise ConfigError(
            f"--code is put into a packed model, and {uri} is a folder; put the files into its {_FOLDER}/ yourself, or "
            "name a model.tar.gz."
        )
    try:
        packed = door.read(uri)
    except NotFound as exc:
        raise NotFound(f"There is no model at {uri}; has the job that makes it completed?") from exc
    with TemporaryDirectory(prefix="byoc-") as folder:
        archive = Path(folder) / "model.tar.gz"
        with packed, archive.open("wb") as file, readable(uri, "take it again from the job's output"):
            _repack(packed, file, code, uri)
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
        place = f"{uri.rpartition('/')[0]}/model-{digest}.tar.gz"
        known = _is_there(door, place)
        if not known and not dry_run:
            door.write(place, archive)
    return Made(place, known)


def _is_there(door: Door, uri: str) -> bool:
    try:
        door.read(uri).close()
    except NotFound:
        return False
    return True


def _repack(packed: IO[bytes], file: BinaryIO, code: Code, name: str) -> None:
    with (
        gzip.GzipFile(fileobj=packed) as plain,
        tarfile.open(fileobj=plain, mode="r|") as old,
        Gzip(file) as compressed,
        tarfile.TarFile(fileobj=compressed, mode="w", copybufsize=_AT_ONCE) as new,  # type: ignore[arg-type]
    ):
        for member in harmless(old, name):
            if PurePosixPath(member.name).parts[:1] == (_FOLDER,):
                continue
            kept = _member(member.name, member.mode & 0o777, size=member.size, moment=int(member.mtime))
            source = old.extractfile(member)
            if source is None:
                kept.type = tarfile.DIRTYPE
                new.addfile(kept)
            else:
                _add(new, compressed, kept, io.BufferedReader(source, _AT_ONCE))  # type: ignore[arg-type]
        while plain.read(_AT_ONCE):
            pass  # up to gzip's own check of the whole, which tarfile leaves unread
        _add_code(new, compressed, code)


def _add_code(tar: tarfile.TarFile, compressed: Gzip, code: Code) -> None:
    """Without owners and times, so that the archive differs by what is in the files alone."""
    for path in (code.folder, *code.inside):
        name = str(PurePosixPath(_FOLDER) / path.relative_to(code.folder).as_posix())
        if path.is_dir():
            member = _member(name, _FOLDER_MODE)
            member.type = tarfile.DIRTYPE
            tar.addfile(member)
            continue
        with io.BufferedReader(path.open("rb", buffering=0), _AT_ONCE) as source:
            _add(tar, compressed, _member(name, _FILE_MODE, size=path.stat().st_size), source)


def _member(name: str, mode: int, *, size: int = 0, moment: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.size, member.mtime = mode, size, moment
    return member


def _add(tar: tarfile.TarFile, compressed: Gzip, member: tarfile.TarInfo, source: io.BufferedReader[Any]) -> None:
    compressed.level = suitable_level(source.peek())
    tar.addfile(member, source)
