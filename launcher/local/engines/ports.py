"""A port of this machine that stays one endpoint's own, from before its server listens until it has ended.

    port = Port()
    ...                        # start a server that binds port.number with SO_REUSEADDR, as servers do
    port.served_by(leader)     # True once a process below ``leader`` is what listens there
    port.close()

On Linux the port is held by a socket that is bound and does not listen. Beside it a socket with SO_REUSEADDR
may bind and listen, and no one who asks the kernel for a free port is given this one, whatever their account
or checkout. Where the kernel allows no such second socket, the port is let go of, and may be taken.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from launcher.local.processes import Handle, descendants

_HOST = "127.0.0.1"
_PROC = Path("/proc")
# Of a connection's state in /proc/net/tcp, TCP_LISTEN of the kernel's include/net/tcp_states.h.
_LISTEN = "0A"


class Port:
    """A free port of the loopback interface."""

    def __init__(self) -> None:
        self._holder = socket.socket()
        # Bound without SO_REUSEADDR, so that the kernel gives a port nobody has; shared only from then on.
        self._holder.bind((_HOST, 0))
        self.number = int(self._holder.getsockname()[1])
        if sys.platform == "linux":
            self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            self._holder.close()

    @property
    def address(self) -> tuple[str, int]:
        """Host and number."""
        return (_HOST, self.number)

    def served_by(self, leader: Handle) -> bool:
        """Whether the leader or a process below it listens here; taken for granted where there is no /proc."""
        if not _PROC.joinpath("net/tcp").exists():
            return True
        listening = {f"socket:[{inode}]" for inode in _listeners(self.number)}
        if not listening:
            return False
        return any(_holds(handle.pid, listening) for handle in [leader, *descendants(leader.pid)])

    def close(self) -> None:
        """Give the port back."""
        self._holder.close()


def _listeners(port: int) -> list[str]:
    """Inodes of the sockets that listen on a port, on any address."""
    found = []
    for table in ("tcp", "tcp6"):
        file = _PROC / "net" / table
        for line in file.read_text(encoding="ascii").splitlines()[1:] if file.exists() else ():
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.append(fields[9])
    return found


def _holds(pid: int, sockets: set[str]) -> bool:
    """Whether a process has one of the sockets open."""
    try:
        return any(str(descriptor.readlink()) in sockets for descriptor in (_PROC / str(pid) / "fd").iterdir())
    except OSError:  # it has ended, or a descriptor has been closed since it was listed
        return False
