"""Taking over what a container that runs as root has left in the caller's folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Of one command line, well below every system's limit of its length.
_AT_ONCE = 500
# A file's time may lag behind the clock by a tick of the kernel's, or by what a network file system rounds.
_LAG_SECONDS = 2.0


@dataclass(frozen=True)
class User:
    """Whose files they should be."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> User:
        """Whoever runs this."""
        return cls(os.getuid(), os.getgid())

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def foreign(folder: Path, user: User, *, since: float) -> list[Path]:
    """What another user owns below ``folder`` and has made or changed after ``since`` (seconds of the epoch).

    What lay there before the job is not its doing: a folder of checkpoints may be shared.
    """
    found = []
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            status = path.lstat()
            if status.st_uid != user.uid and status.st_ctime > since - _LAG_SECONDS:
                found.append(path)
    return found


def take_over(
    folders: Iterable[Path], user: User, *, since: float, chown: Callable[[Path, Sequence[str]], object]
) -> None:
    """Have ``chown(folder, paths relative to it)`` called for what is foreign, until nothing more is found.

    A folder that only its owner may read shows what is in it once it has been taken over.
    """
    for folder in folders:
        before: list[Path] = []
        while (found := foreign(folder, user, since=since)) and found != before:
            names = [str(path.relative_to(folder)) for path in found]
            for start in range(0, len(names), _AT_ONCE):
                chown(folder, names[start : start + _AT_ONCE])
            before = found
