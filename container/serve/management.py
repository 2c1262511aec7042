"""Questions to multi-model-server's management API, over its unix socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any


async def ask(sock: Path, path: str, patience: float = 5.0) -> tuple[int, Any]:
    """GET ``path``: (status, JSON); (0, None) while nobody answers."""
    try:
        return await asyncio.wait_for(_get(sock, path), patience)
    except (OSError, ValueError, KeyError, asyncio.IncompleteReadError, TimeoutError):
        return 0, None


async def _get(sock: Path, path: str) -> tuple[int, Any]:
    reader, writer = await asyncio.open_unix_connection(str(sock))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: server\r\n\r\n".encode())
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        # The server keeps the connection open whatever it is asked, so the length is what ends an answer.
        body = await reader.readexactly(int(headers["content-length"]))
    finally:
        writer.close()
    return int(status.split()[1]), json.loads(body)


async def answers(sock: Path) -> bool:
    """Whether the server answers at all."""
    status, _ = await ask(sock, "/ping" if sock.name.startswith("inference") else "/models")
    return status == 200


async def ready_workers(sock: Path, model: str) -> int:
    """How many of the model's workers have loaded it."""
    status, answer = await ask(sock, f"/models/{model}")
    if status != 200:
        return 0
    described = answer[0] if isinstance(answer, list) else answer
    return sum(worker.get("status") == "READY" for worker in described.get("workers", []))
