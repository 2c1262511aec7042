"""A serving process for tests: started as the local door starts it, asked over loopback, and ended."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The error's code; fails when the answer is no error of the contract's."""
        document = self.json
        assert set(document) == {"error"} and set(document["error"]) == {"code", "message"}, document
        assert "Traceback" not in document["error"]["message"]
        return str(document["error"]["code"])


def ask(port: int, method: str, path: str, body: bytes | None = None, timeout: float = 30, **headers: str) -> Reply:
    """One request on a connection of its own; header names are written with underscores."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Poll until ``condition`` gives something true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {condition}")


class Serving:
    """``python -m container.serve.start`` under a private /opt/ml."""

    def __init__(self, base: Path, log: Path, user: int | None = None, **environment: str) -> None:
        self.port = free_port()
        self.log_path = log
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("SAGEMAKER_", "SERVE_"))}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "container.serve.start"],
                env={
                    **plain,
                    "PYTHONPATH": str(ROOT),
                    "SAGEMAKER_BASE_DIR": str(base),
                    "SAGEMAKER_BIND_TO_PORT": str(self.port),
                    "SERVE_BIND_HOST": "127.0.0.1",
                    **environment,
                },
                cwd=base,
                stdout=file,
                stderr=file,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def ping(self) -> int:
        """The status of /ping; 0 while nobody listens."""
        try:
            return ask(self.port, "GET", "/ping").status
        except OSError:
            return 0

    def ready(self, seconds: float = 60) -> Serving:
        def answered() -> bool:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log}"
            return self.ping() == 200

        until(answered, seconds)
        return self

    def post(self, body: bytes, content_type: str = "image/jpeg", **headers: str) -> Reply:
        return ask(self.port, "POST", "/invocations", body, Content_Type=content_type, **headers)

    def family(self) -> list[psutil.Process]:
        """Every process that belongs to this server."""
        return [self.process_info(), *self.process_info().children(recursive=True)]

    def process_info(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def java(self) -> psutil.Process:
        """The model server."""
        (java,) = (child for child in self.process_info().children() if "java" in child.name())
        return java

    def worker(self) -> psutil.Process:
        """The process that holds the model: the server's grandchild."""
        java = self.java()
        (parent,) = (child for child in java.children() if "model_service_worker.py" in " ".join(child.cmdline()))
        return until(parent.children)[0]

    def end(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Send a signal, wait, and see that nothing is left; the exit status."""
        family = self.family() if self.process.poll() is None else []
        self.process.send_signal(number)
        status = self.process.wait(seconds)
        until(lambda: not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE], 10)
        return status

    def kill(self) -> None:
        """End whatever a failed test left: as one ends a server, and without asking when that fails."""
        if self.process.poll() is not None:
            return
        family = self.family()
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            for process in family[::-1]:
                process.kill()
            self.process.wait(10)


def picture(
    width: int = 64, height: int = 48, kind: str = "JPEG", mode: str = "RGB", value: int = 90, **options: Any
) -> bytes:
    """An encoded image of one colour with a bright corner."""
    image = Image.new("RGB", (width, height), (value, value // 2, 200))
    image.paste((255, 255, 0), (0, 0, max(1, width // 2), max(1, height // 3)))
    file = io.BytesIO()
    image.convert(mode).save(file, kind, **options)
    return file.getvalue()
