"""The entry point of the serving container: ``serve``.

    docker run -p 8080:8080 -v DIR/model:/opt/ml/model IMAGE serve

Holds the port, starts multi-model-server on a private socket, waits until every worker has loaded the
model and predicted once, opens the port, and relays. Ends with status 0 on SIGTERM, when the requests
in flight have been answered, and with status 1 and the reason when the model cannot be loaded or the
server is gone for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from container.common.artifact import check_readable
from container.common.errors import ContainerError
from container.serve import gate, packages, report, server
from container.serve.settings import Settings, read_settings

log = logging.getLogger("serve")

# Seconds for requests in flight after SIGTERM: docker stop kills after 10.
DRAIN = 7.0

# A worker that dies so often while loading will not succeed at the next attempt.
ATTEMPTS = 4

_POLL = 0.02
_WATCH = 1.0

# Between looks for a model that did not fit: SageMaker's next try at it may come at once.
_LOOK = 0.05

# Seconds after which a model that did not fit is no longer looked for.
_FORGET = 10.0


def main() -> int:
    """Serve until told to stop; the exit status."""
    logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s", level=logging.INFO)
    began = time.monotonic()
    # Until there is an event loop to tell: a container's first process is deaf to what it has no handler for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopped)
    try:
        settings = read_settings()
        with _bound(settings) as listening:
            return _serve(settings, listening, began)
    except ContainerError as exc:
        log.error("%s", exc)
        return 1


def _stopped(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _bound(settings: Settings) -> socket.socket:
    try:
        return gate.bind(settings.host, settings.port)
    except OSError as exc:
        if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
            raise ContainerError(
                f"SERVE_BIND_HOST is '{settings.host}', which is no address of this container ({exc.strerror}); "
                "correct or unset it."
            ) from exc
        raise ContainerError(
            f"Port {settings.port} cannot be taken ({exc.strerror}); stop what holds it, "
            "or set SAGEMAKER_BIND_TO_PORT to another."
        ) from exc


@dataclass(frozen=True)
class _Run:
    """What one run of the server is made of."""

    settings: Settings
    folder: server.Folder
    process: subprocess.Popen[bytes]
    began: float


def _serve(settings: Settings, listening: socket.socket, began: float) -> int:
    folder = server.make_folder()
    try:
        if not settings.multi_model:
            check_readable(settings.model_dir)
            packages.install(settings.model_dir / packages.REQUIREMENTS, folder.packages)
        process = server.start(settings, folder)
        try:
            with server.guarded(process, folder):
                asyncio.run(_until_stopped(_Run(settings, folder, process, began), listening))
        finally:
            server.stop(process)
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
    return 0


async def _until_stopped(run: _Run, listening: socket.socket) -> None:
    """Returns when asked to stop; raises ContainerError when there is nothing to serve with."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    doors = gate.Gate(run.folder.inference)
    work = asyncio.create_task(_open_and_watch(run, doors, listening))
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()  # raises what it raised
        log.info("stopping: requests in flight are answered first")
        await doors.drain(DRAIN)
    finally:
        for task in (work, stop):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ContainerError):
                await task


async def _open_and_watch(run: _Run, doors: gate.Gate, listening: socket.socket) -> None:
    settings = run.settings
    while not await _ready(run):
        _check(run)
        if time.monotonic() > run.began + settings.startup_timeout:
            raise ContainerError(
                f"The model was not ready within {settings.startup_timeout} s; "
                "raise SAGEMAKER_STARTUP_TIMEOUT, or look above for what it waits for."
            )
        await asyncio.sleep(_POLL)
    try:
        await doors.open(listening)
    except OSError as exc:
        raise ContainerError(
            f"Port {settings.port} cannot be listened on ({exc.strerror}); stop what holds it."
        ) from exc
    what = "models on demand" if settings.multi_model else f"{settings.workers} worker(s) ready"
    log.info("listening on port %d, %s, after %.1f s", settings.port, what, time.monotonic() - run.began)
    report.clear(run.folder.path)
    while True:
        if settings.multi_model:
            for _ in range(round(_WATCH / _LOOK)):
                await asyncio.sleep(_LOOK)
                await _unload_short(run.folder)
                for failure in report.take_failures(run.folder.path):
                    _say_details(failure)
                    log.error("%s", failure.reason)
        else:
            await asyncio.sleep(_WATCH)
        _reap(run.process.pid)
        if not settings.multi_model and report.ready(run.folder.path):
            for failure in report.take_failures(run.folder.path)[-1:]:
                _say_details(failure)
                log.error("a worker could not load the model again, and others go on: %s", failure.reason)
            report.clear(run.folder.path)
        _check(run)


async def _unload_short(folder: server.Folder) -> None:
    """Unload models that did not fit into memory.

    The server answers 507, fails to forget the model, and would answer 409 to SageMaker's next try. Its own
    attempt to forget leaves the model listed with no workers wanted, by which it is told from one loaded since.
    """
    for short in report.short(folder.path):
        path = f"/models/{quote(short.model, safe='')}"
        status, body = await _ask(folder.inference, "GET", path)
        gone = status == 200 and _unwanted(body) and (await _ask(folder.inference, "DELETE", path))[0] == 200
        if gone or report.age(short.note) > _FORGET:
            log.error("%s", short.reason)
            short.note.unlink()


def _unwanted(described: bytes) -> bool:
    """Whether a description of a model says that it shall have no workers."""
    document = json.loads(described)
    model = document[0] if isinstance(document, list) else document
    return bool(model["maxWorkers"] == 0)


async def _ready(run: _Run) -> bool:
    if not run.settings.multi_model and report.ready(run.folder.path) < run.settings.workers:
        return False
    return await _answers(run.folder.inference)


async def _answers(inference: Path) -> bool:
    """Whether the model server answers at all."""
    return (await _ask(inference, "GET", "/ping"))[0] == 200


async def _ask(inference: Path, method: str, path: str) -> tuple[int, bytes]:
    """The status and body of the server's answer; status 0 without any."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_unix_connection(str(inference))
            with contextlib.closing(writer):
                writer.write(f"{method} {path} HTTP/1.1\r\nHost: server\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
        return int(head.split(maxsplit=2)[1]), body
    except (OSError, TimeoutError, EOFError):
        return 0, b""


def _check(run: _Run) -> None:
    """Raise ContainerError when the server has ended, or its workers cannot load the model."""
    if run.process.poll() is not None:
        raise ContainerError(
            f"The model server has ended with status {run.process.returncode}; its reason stands above, if it gave one."
        )
    if run.settings.multi_model:
        return  # each model's failure is the answer to the request that loads it
    for failure in report.take_failures(run.folder.path)[-1:]:
        _say_details(failure)
        raise ContainerError(failure.reason)
    if report.loads(run.folder.path) > ATTEMPTS * run.settings.workers:
        raise ContainerError(
            f"The workers died {ATTEMPTS} times while loading the model, without saying why; "
            "most often memory is short: give the container more, or use fewer workers."
        )


def _say_details(failure: report.Failure) -> None:
    if failure.details:
        log.error("the model cannot be loaded\n%s", failure.details.rstrip())


def _reap(server_pid: int) -> None:
    """As a container's first process, collect workers whose parent has gone."""
    if os.getpid() != 1:
        return
    import psutil

    for child in psutil.Process().children():
        if child.pid != server_pid and child.status() == psutil.STATUS_ZOMBIE:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)


if __name__ == "__main__":
    sys.exit(main())
