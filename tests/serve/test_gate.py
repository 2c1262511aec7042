"""The gate, without a model server: bytes, half-close, back-pressure, draining."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from container.serve import gate

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def behind(folder: Path, talk: Talk) -> AsyncIterator[tuple[gate.Gate, int]]:
    """A gate that is open before a unix socket on which ``talk`` answers."""
    target = folder / "server.sock"

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(served, str(target))
    doors = gate.Gate(target)
    listening = gate.bind("127.0.0.1", 0)
    port = listening.getsockname()[1]
    await doors.open(listening)
    try:
        yield doors, port
    finally:
        await doors.drain(1)
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def test_nobody_is_let_in_before_the_gate_opens() -> None:
    with gate.bind("127.0.0.1", 0) as listening, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listening.getsockname(), timeout=2)


def test_a_port_is_held_from_the_start() -> None:
    with gate.bind("127.0.0.1", 0) as held:
        held.listen()
        with pytest.raises(OSError, match="in use"):
            gate.bind("127.0.0.1", held.getsockname()[1])


def test_megabytes_go_through_unchanged_and_the_end_is_passed_on(tmp_path: Path) -> None:
    sent = bytes(range(256)) * 40_000

    async def run() -> bytes:
        async with behind(tmp_path, echo) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)

            async def send() -> None:
                writer.write(sent)
                await writer.drain()
                writer.write_eof()

            sending = asyncio.create_task(send())
            back = await reader.read()
            await sending
            writer.close()
            return back

    assert asyncio.run(run()) == sent


def test_what_is_sent_at_once_on_connecting_is_not_lost(tmp_path: Path) -> None:
    async def one(port: int, number: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        line = f"request {number}\n".encode()
        writer.write(line)
        answer = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        return answer == line

    async def run() -> list[bool]:
        async with behind(tmp_path, echo) as (_, port):
            return [ok for _ in range(10) for ok in await asyncio.gather(*(one(port, n) for n in range(50)))]

    assert all(asyncio.run(run()))


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        (
            b"POST / HTTP/1.1\r\ncontent-type: multipart/form-data; boundary=x\r\nA: b\r\n\r\nbody",
            b"POST / HTTP/1.1\r\ncontent-type: unread/multipart/form-data; boundary=x\r\nA: b\r\n\r\nbody",
        ),
        (b"POST / HTTP/1.1\r\nA: b\r\n\r\n\r\nContent-Type: multipart/form-data", None),
        (b"POST / HTTP/1.1\r\nContent-Type: image/jpeg\r\n\r\nx", None),
        (b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data", None),
        (b"\xff\xd8\r\nContent-Type: multipart/form-data\r\n\r\n", None),
    ],
)
def test_only_a_form_s_type_in_a_request_s_head_is_marked(sent: bytes, passed: bytes | None) -> None:
    assert gate.unformed(sent) == (passed or sent)


def test_a_slow_reader_holds_the_server_back(tmp_path: Path) -> None:
    written = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readline()
        with contextlib.suppress(ConnectionError):
            for _ in range(2000):
                writer.write(bytes(65536))
                await writer.drain()
                written += 65536

    async def run() -> None:
        async with behind(tmp_path, pour) as (_, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(b"go\n")
            before = -1
            while before != written or not written:  # until nothing more is taken
                before = written
                await asyncio.sleep(0.3)
            writer.transport.abort()

    asyncio.run(run())
    assert written < 60 * 1024 * 1024, "the gate holds what nobody reads"


def test_a_server_that_is_gone_closes_the_caller_s_connection(tmp_path: Path) -> None:
    async def run() -> bytes:
        doors = gate.Gate(tmp_path / "nobody.sock")
        listening = gate.bind("127.0.0.1", 0)
        port = listening.getsockname()[1]
        await doors.open(listening)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await doors.drain(1)
        return answer

    assert asyncio.run(run()) == b""


def test_draining_waits_for_an_answer_and_not_for_an_idle_connection(tmp_path: Path) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(0.5)
            writer.write(line)

    async def run() -> tuple[bytes, bytes, float]:
        async with behind(tmp_path, slow) as (doors, port):
            idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"in flight\n")
            await asyncio.sleep(0.1)
            began = time.monotonic()
            draining = asyncio.create_task(doors.drain(10))
            answer, nothing = await reader.read(), await idle_reader.read()
            await draining
            for one in (writer, idle_writer):
                one.close()
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", port)
            return answer, nothing, time.monotonic() - began

    answer, nothing, took = asyncio.run(run())
    assert (answer, nothing) == (b"in flight\n", b"")
    assert took < 3


def test_draining_ends_though_an_answer_never_comes(tmp_path: Path) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()

    async def run() -> float:
        async with behind(tmp_path, never) as (doors, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            await asyncio.sleep(0.1)
            began = time.monotonic()
            await doors.drain(0.5)
            writer.close()
            return time.monotonic() - began

    assert 0.4 < asyncio.run(run()) < 2
