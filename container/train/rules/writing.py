"""python -S -m container.train.rules.writing: writes the files that it is told of on its standard input.

A process of its own, without torch and numpy. A thread of the training would take the interpreter's lock from it some
twenty times a step, and each time the training waits for a processor to wake: three times what the files cost. It ends
when it is told to, or with the training, once all that it has been told is written; a file that cannot be written ends
it with status 1 and ``[errno, words, path]`` on stderr.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from container.train.beside import LOWEST_PRIORITY, outlive_signals

# Lengths of a path and of a file's content, before both of them; a path of no length is the end.
HEADER = struct.Struct("<IQ")
END = HEADER.pack(0, 0)

# How often to see whether the training is still there: others that it has started may hold the other end open.
SECONDS_BETWEEN_LOOKS = 5.0

_CHUNK = 1 << 20


def frame(path: Path, content: bytes) -> bytes:
    """``path`` with ``content``, as this process takes them."""
    name = os.fsencode(path)
    return b"".join((HEADER.pack(len(name), len(content)), name, content))


def main() -> int:
    """The exit status."""
    outlive_signals()
    os.nice(LOWEST_PRIORITY)
    for name, content in _frames():
        path = Path(os.fsdecode(name))
        try:
            put(path, content)
        except OSError as exc:
            sys.stderr.write(json.dumps([exc.errno, exc.strerror, str(path)]))
            return 1
    return 0


def put(path: Path, content: bytes) -> None:
    """A file that is whole when it is there, under smdebug's name for one that is not."""
    partial = path.with_name(path.name + ".tmp")
    try:
        partial.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
    partial.replace(path)


def _frames() -> Iterator[tuple[bytes, bytes]]:
    """Paths and contents, up to the end; what is not whole when the training is gone is nothing."""
    parent, got = os.getppid(), bytearray()
    while True:
        while len(got) >= HEADER.size:
            name, content = HEADER.unpack_from(got)
            if name == 0:
                return
            end = HEADER.size + name + content
            if len(got) < end:
                break
            yield bytes(got[HEADER.size : HEADER.size + name]), bytes(got[HEADER.size + name : end])
            del got[:end]
        while not select.select([0], [], [], SECONDS_BETWEEN_LOOKS)[0]:
            if os.getppid() != parent:
                return
        more = os.read(0, _CHUNK)
        if not more:
            return
        got += more


if __name__ == "__main__":
    sys.exit(main())
