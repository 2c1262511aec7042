"""A process that has imported everything forks itself at a word: a new one without the seconds its imports cost.

    listener = listen(Path("/run/mine/socket"))
    …the imports…
    order = ForkServer(listener, before=before).serve()
    if order is not None:       # in a child; the server itself gets None, at its end
        run(order.argv)

Over a connection of its own a client is sent a line once forking can be done, sends an order (a line of JSON),
and gets {"pid": …} at once and {"status": …} at the end (negative: the signal), or {"refused": "why"}. The server
has one thread, and so may fork; it takes orders for as long as its standard input is open, which its owner holds
and which closes when the owner dies, and stays after that for its children's ends. Linux only (pidfd_open).
"""

from __future__ import annotations

import functools
import gc
import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# What a client, which is on this machine and waits, may take to read an answer.
_PATIENCE = 10.0
# Python sets it itself where the locale is C (PEP 538).
_COERCED = "LC_CTYPE"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a child is to be: argv without the interpreter, its whole environment, its folder, its output's file."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str
    log: str

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Order:
        """As it was sent."""
        raw = json.loads(line)
        return cls(argv=tuple(raw["argv"]), environment=raw["environment"], cwd=raw["cwd"], log=raw["log"])


@functools.cache
def available() -> bool:
    """Whether this system can do it."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return sys.platform == "linux"


def listen(path: Path) -> socket.socket:
    """A listening socket at ``path``, whose folder must be private: whoever reaches it runs what they like.

    Made before the imports: clients then wait for their end, and for nothing else.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(64)
    return listener


class ForkServer:
    """Forks as it is told."""

    def __init__(
        self, listener: socket.socket, *, before: Mapping[str, str], free: Collection[str] | None = None
    ) -> None:
        """``before`` is the environment as it was before the imports.

        What a module reads of it while it is imported cannot be changed any more. So an order whose environment
        differs in anything but the names of ``free`` is refused; None leaves all of them free.
        """
        self._listener = listener
        self._before = {name: value for name, value in before.items() if name != _COERCED}
        # What the imports have set, they would set in a fresh process too.
        self._set = {name: value for name, value in os.environ.items() if before.get(name) != value}
        if _COERCED in before:
            self._set[_COERCED] = before[_COERCED]
        self._free = free
        # poll(2), unlike epoll, has no descriptor that a child would share.
        self._selector = selectors.PollSelector()
        # The connection that waits for a child's end, by pid; None when it was closed before.
        self._children: dict[int, socket.socket | None] = {}
        self._owned = True

    def serve(self) -> Order | None:
        """Fork until the owner has gone and the last child has ended; the order in a child, None in the server."""
        gc.collect()
        gc.freeze()  # so that no collection in a child touches, and thereby copies, what all share
        self._watch(0, self._hear_owner)
        self._watch(self._listener, self._accept)
        while self._owned or self._children:
            for key, _events in self._selector.select():
                # Another event of this round may have closed it.
                order = key.data() if key.fileobj in self._selector.get_map() else None
                if order is not None:
                    return order  # type: ignore[no-any-return]
        return None

    def _watch(self, what: int | socket.socket, act: Callable[[], Order | None]) -> None:
        self._selector.register(what, selectors.EVENT_READ, act)

    def _hear_owner(self) -> None:
        if os.read(0, 4096):
            return
        self._owned = False
        place = Path(self._listener.getsockname())
        place.unlink(missing_ok=True)
        # An owner that was killed has left the folder too, for the last of those who listen in it.
        with suppress(OSError):
            place.parent.rmdir()
        self._selector.unregister(0)
        self._drop(self._listener)

    def _accept(self) -> None:
        connection, _address = self._listener.accept()
        connection.settimeout(_PATIENCE)
        received = bytearray()
        self._watch(connection, functools.partial(self._receive, connection, received))
        self._answer(connection, {"ready": True})

    def _receive(self, connection: socket.socket, received: bytearray) -> Order | None:
        try:
            part = connection.recv(1 << 16)
        except OSError:
            part = b""
        received += part
        if not part:
            # Whoever waits no longer for a child leaves it running.
            for pid, waiting in self._children.items():
                if waiting is connection:
                    self._children[pid] = None
            self._drop(connection)
        elif received.endswith(b"\n"):
            order = Order.read(bytes(received))
            received.clear()
            return self._fork(order, connection)
        return None

    def _fork(self, order: Order, connection: socket.socket) -> Order | None:
        differing = self._differing(order)
        if differing:
            self._answer(connection, {"refused": f"{', '.join(differing)} cannot be changed by now"})
            return None
        try:
            log = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            self._answer(connection, {"refused": str(exc)})
            return None
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become(order, log)
            return order
        os.close(log)
        self._children[pid] = connection
        ending = os.pidfd_open(pid)
        self._watch(ending, functools.partial(self._reap, pid, ending))
        self._answer(connection, {"pid": pid})
        return None

    def _differing(self, order: Order) -> list[str]:
        if self._free is None:
            return []
        given = {name: value for name, value in order.environment.items() if name != _COERCED}
        names = sorted((self._before.keys() | given.keys()) - set(self._free))
        return [name for name in names if self._before.get(name) != given.get(name)]

    def _become(self, order: Order, log: int) -> None:
        """What an exec would have done."""
        os.setsid()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            elif key.fd != 0:
                os.close(key.fd)
        self._selector.close()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(number, target)
        os.close(nothing)
        os.close(log)
        os.environ.clear()
        os.environ.update({**order.environment, **self._set})
        time.tzset()
        os.chdir(order.cwd)
        sys.argv = list(order.argv)

    def _reap(self, pid: int, ending: int) -> None:
        _pid, status = os.waitpid(pid, 0)
        self._selector.unregister(ending)
        os.close(ending)
        connection = self._children.pop(pid)
        if connection is not None:
            self._answer(connection, {"status": os.waitstatus_to_exitcode(status)})
            self._drop(connection)

    def _answer(self, connection: socket.socket, words: dict[str, Any]) -> None:
        # A client that has gone is noticed when its connection is read.
        with suppress(OSError):
            connection.sendall(json.dumps(words).encode() + b"\n")

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        connection.close()
