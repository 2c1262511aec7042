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
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

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


def main() -> int:
    """Serve until told to stop; the exit status."""
    logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s", level=logging.INFO)
    began = time.monotonic()
    try:
        settings = read_settings()
        try:
            listening = gate.bind(settings.host, settings.port)
        except OSError as exc:
            raise ContainerError(
                f"Port {settings.port} cannot be taken ({exc.strerror}); stop what holds it, "
                "or set SAGEMAKER_BIND_TO_PORT to another."
            ) from exc
        with listening:
            return _serve(settings, listening, began)
    except ContainerError as exc:
        log.error("%s", exc)
        return 1


@dataclass(frozen=True)
class _Run:
    """What one run of the server is made of."""

    settings: Settings
    folder: server.Folder
    process: subprocess.Popen[bytes]
    began: float


def _check_readable(model_dir: Path) -> None:
    """A mounted folder keeps its owner, and this server is not root. Raises ContainerError."""
    if model_dir.is_dir() and not os.access(model_dir, os.R_OK | os.X_OK):
        raise ContainerError(
            f"The model folder {model_dir} may not be read by this container's user ({os.getuid()}); "
            "open it with chmod -R a+rX, or run the container as its owner with --user."
        )


def _serve(settings: Settings, listening: socket.socket, began: float) -> int:
    folder = server.make_folder()
    try:
        if not settings.multi_model:
            _check_readable(settings.model_dir)
            packages.install(settings.model_dir / "code" / "requirements.txt", folder.packages)
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
        await asyncio.sleep(_WATCH)
        _reap(run.process.pid)
        if report.ready(run.folder.path):
            report.clear(run.folder.path)
        _check(run)


async def _ready(run: _Run) -> bool:
    if not run.settings.multi_model and report.ready(run.folder.path) < run.settings.workers:
        return False
    return await _answers(run.folder.inference)


async def _answers(inference: Path) -> bool:
    """Whether the model server answers at all."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(inference))
        writer.write(b"GET /ping HTTP/1.1\r\nHost: server\r\n\r\n")
        status = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status


def _check(run: _Run) -> None:
    """Raise ContainerError when the server has ended, or its workers cannot load the model."""
    if run.process.poll() is not None:
        raise ContainerError(
            f"The model server has ended with status {run.process.returncode}; its reason stands above, if it gave one."
        )
    if run.settings.multi_model:
        return  # each model's failure is the answer to the request that loads it
    reason = report.failure(run.folder.path)
    if reason:
        raise ContainerError(reason)
    if report.loads(run.folder.path) > ATTEMPTS * run.settings.workers:
        raise ContainerError(
            f"The workers died {ATTEMPTS} times while loading the model, without saying why; "
            "most often memory is short: give the container more, or use fewer workers."
        )


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
