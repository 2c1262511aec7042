"""Running a helper command (docker, uv) that may take long and must give way to a stop request."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from launcher.errors import EngineError
from launcher.local.engines.base import Cancelled


def run_patiently(
    argv: Sequence[str],
    *,
    what: str,
    environment: Mapping[str, str],
    cancelled: Callable[[], bool],
) -> str:
    """Run a command to its end and return what it printed (also kept on our own stderr).

    Raises EngineError with the last line it printed when it fails, Cancelled when asked to stop.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=dict(environment),
            start_new_session=True,
        )  # fmt: skip
        try:
            while process.poll() is None:
                if cancelled():
                    raise Cancelled
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        text = output.read().decode("utf-8", errors="replace")
    os.write(2, text.encode())
    if process.returncode != 0:
        raise EngineError(f"{what} failed (exit status {process.returncode}): {last_words(text)}")
    return text


@contextlib.contextmanager
def locked_patiently(path: Path, *, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Hold ``path`` exclusively; another maker may hold it for minutes, and a stop request ends the wait.

    Raises Cancelled.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled():
                    raise Cancelled from None
                time.sleep(0.1)
        yield


# What a client adds after the reason it was refused.
_HINT = re.compile(r"(See|Run) '\S+ .*--help'")


def last_words(text: str, *, lines: int = 1, longest: int = 600) -> str:
    """The last non-empty lines of a log, as the nearest thing to a reason."""
    kept = [line.strip() for line in text.splitlines() if line.strip() and not _HINT.match(line.strip())]
    return " ".join(kept[-lines:])[-longest:] or "it printed nothing"
