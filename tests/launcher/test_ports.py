"""A port is one endpoint's own, and what answers there is that endpoint's server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from launcher.local.engines.ports import Port
from launcher.local.processes import Handle
from tests.launcher.conftest import wait

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a port be held for a server")

SERVER = """
import socket, sys, time
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
time.sleep(300)
"""


@contextmanager
def server(number: int) -> Iterator[Handle]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(number)])
    try:
        yield Handle.of(process.pid)
    finally:
        process.kill()
        process.wait()


@linux
def test_a_server_binds_the_port_that_is_held_for_it_and_is_told_from_another() -> None:
    with closing(Port()) as port, server(port.number) as ours, server(port.number) as late:
        wait(lambda: port.served_by(ours) or port.served_by(late), seconds=30)
        assert port.served_by(ours) != port.served_by(late)
        assert port.served_by(Handle.of(os.getpid())), "a process below the one named counts"


@linux
def test_a_port_is_nobodys_server_until_one_listens() -> None:
    with closing(Port()) as port:
        assert not port.served_by(Handle.of(os.getpid()))


@linux
def test_whoever_asks_for_a_free_port_is_given_another() -> None:
    with closing(Port()) as port:
        given = [socket.socket() for _ in range(200)]
        for each in given:
            each.bind(("127.0.0.1", 0))
        numbers = {each.getsockname()[1] for each in given}
        others = [Port() for _ in range(200)]
        numbers |= {each.number for each in others}
        for held in (*given, *others):
            held.close()
        assert port.number not in numbers and len(numbers) == 400
        with socket.socket() as rival, pytest.raises(OSError, match="in use"):
            rival.bind(port.address)
