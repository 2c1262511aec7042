"""The gate: the public port, opened when the model answers, and from then on a relay of bytes.

multi-model-server answers /ping with 200 while its models are still loading, and after they failed to.
So it listens on a private unix socket, and this port is opened only when every worker has loaded the
model and made a warm-up prediction. Until then a connection is refused, which every caller understands.

The relay knows nothing of HTTP: bytes go through both ways, with back-pressure and half-close. There is
one exception, ``unformed``.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from pathlib import Path
from typing import cast

# An answer is whole when nothing more of it has come for so long, in seconds; the server writes it at once.
_QUIET = 0.15
_BACKLOG = 1024

_FORM = re.compile(rb"(\r\ncontent-type:[ \t]*)(application/x-www-form-urlencoded|multipart/form-data)", re.IGNORECASE)


def unformed(data: bytes) -> bytes:
    """The beginning of a request, with a form's content type marked so that the model server leaves it alone.

    It would take the body apart, answer 500 when that fails, and write the body into its log; and a form is
    what curl says it sends unless told otherwise. Marked, the type reaches our handler, which says 415.
    A head that does not come in one piece goes through as it is.
    """
    end = data.find(b"\r\n\r\n") if data.startswith(b"POST ") else -1
    if end < 0:
        return data
    head, count = _FORM.subn(rb"\1unread/\2", data[:end], count=1)
    return head + data[end:] if count else data


class _End(asyncio.Protocol):
    """One end of a relayed connection: what it receives is written to the other end."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self.ended = False
        # What came before there was another end. Paused as the transport is, it may read once more.
        self.early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.connection.made(self)

    def data_received(self, data: bytes) -> None:
        if self is self.connection.caller and not self.connection.asked:
            data = unformed(data)
        self.connection.heard(self)
        if self.other and self.other.transport:
            self.other.transport.write(data)
        else:
            self.early += data

    def join(self, other: _End) -> None:
        """From now on ``other`` is where everything goes, what came early first."""
        self.other = other
        if other.transport and self.early:
            other.transport.write(bytes(self.early))
            self.early.clear()

    def eof_received(self) -> bool:
        self.ended = True
        other = self.other
        if other is None or other.transport is None or other.ended:
            return False  # nobody to tell, or both have ended: close
        if other.transport.can_write_eof():
            other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.lost(self)


class Connection:
    """A caller's connection and the one to the server that belongs to it."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.caller = _End(self)
        self.server = _End(self)
        # True from the caller's bytes to the server's; then ``quiet_since`` tells when it last spoke.
        self.asked = False
        self.quiet_since = 0.0

    def made(self, end: _End) -> None:
        if end is self.caller and end.transport:
            end.transport.pause_reading()
            self.gate.connections.add(self)
            self.gate.spawn(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_unix_connection(lambda: self.server, str(self.gate.target))
        except OSError:
            self.close()
            return
        self.server.join(self.caller)
        self.caller.join(self.server)
        if self.caller.transport is None or self.caller.transport.is_closing():
            self.close()
        else:
            self.caller.transport.resume_reading()

    def heard(self, end: _End) -> None:
        self.asked = end is self.caller
        self.quiet_since = time.monotonic()

    def lost(self, end: _End) -> None:
        self.gate.connections.discard(self)
        self.close()

    def close(self) -> None:
        """Close both ends once what was written to them has gone out."""
        for end in (self.caller, self.server):
            if end.transport:
                end.transport.close()

    @property
    def in_flight(self) -> bool:
        """Whether a request has been sent and its answer has not, or not long enough ago to be whole."""
        return self.asked or time.monotonic() - self.quiet_since < _QUIET


class Gate:
    """The public port. ``target`` is the unix socket behind it."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: object) -> None:
        """Run a coroutine, and keep it from being forgotten half-way."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def open(self, listening: socket.socket) -> None:
        """Accept callers on a socket that is bound but does not listen yet."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self).caller, sock=listening, backlog=_BACKLOG)

    async def drain(self, patience: float) -> None:
        """Accept no one any more, let requests in flight end for ``patience`` seconds, close the rest."""
        if self._server is None:
            return
        self._server.close()
        deadline = time.monotonic() + patience
        while self.connections and time.monotonic() < deadline:
            for connection in [c for c in self.connections if not c.in_flight]:
                connection.close()
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.close()
        await asyncio.sleep(0)


def bind(host: str, port: int) -> socket.socket:
    """A socket that holds the port and does not listen: callers are refused until the gate opens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    with contextlib.ExitStack() as stack:
        stack.callback(listening.close)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        stack.pop_all()
    return listening
