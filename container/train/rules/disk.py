"""Files written beside the training, by a process that it does not wait for (``writing.py``).

disk = Disk()
disk.tell({Path("tensors/index/000000000/000000000012_worker_0.json"): b"{}"})
disk.close()
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from container.train.beside import environment
from container.train.rules.writing import END, frame

# So much may wait for the disk: one that is so far behind is too slow for more.
MOST_BYTES = 256 * 2**20

# So long is waited for a disk that takes nothing, and for the last of what was told.
SECONDS_TO_END = 60.0

_SECONDS_TO_DIE = 1.0

# What Linux lets a pipe hold that is not root's; a step of a ResNet50 with weights takes 0.7 MB.
_PIPE_BYTES = 1 << 20


class Disk:
    """A process that writes files, in the order in which it is told of them."""

    def __init__(self) -> None:
        """Raises OSError where there is no process to be had."""
        self._process = subprocess.Popen(
            # Without site-packages: what they run at start-up takes longer than all of ours.
            [sys.executable, "-S", "-m", "container.train.rules.writing"],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.set_blocking(self._pipe, False)
        self._waiting: deque[memoryview] = deque()
        self._bytes = 0
        self._failure: Exception | None = None
        self._closed = False

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def behind(self) -> bool:
        """Whether so much waits that no more should be told."""
        return self._bytes >= MOST_BYTES

    def catch_up(self, seconds: float = SECONDS_TO_END) -> None:
        """Wait until it is not ``behind``: of what was asked for nothing is left out.

        Raises TimeoutError where it takes nothing for so many ``seconds``.
        """
        before, since = self._bytes, time.monotonic()
        while self.behind:
            self._ready(1.0)
            self.pass_on()
            if self._bytes < before:
                before, since = self._bytes, time.monotonic()
            elif time.monotonic() - since > seconds:
                raise TimeoutError(f"the disk has taken no tensors for {seconds:g} seconds")

    def tell(self, files: Mapping[Path, bytes]) -> None:
        """Have ``files`` written soon. Raises what has kept earlier ones from it."""
        if self._failure is not None:
            raise self._failure
        self._wait_for(b"".join(frame(path, content) for path, content in files.items()))
        self.pass_on()

    def pass_on(self) -> None:
        """Hand over what waits, as far as the process takes it now; to be called now and then."""
        try:
            while self._waiting:
                sent = os.write(self._pipe, self._waiting[0])
                self._bytes -= sent
                if sent == len(self._waiting[0]):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = self._waiting[0][sent:]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._fail()

    def close(self, seconds: float = SECONDS_TO_END, *, whole: bool = False) -> None:
        """Wait until all is written, ``seconds`` at most; with ``whole``, longer while the disk takes more.

        Raises what has kept it from that, TimeoutError for want of time.
        """
        if not self._closed:
            self._closed = True
            self._wait_for(END)
            self._end(seconds, whole=whole)
            for stream in (self._process.stdin, self._process.stderr):
                assert stream is not None
                stream.close()
        if self._failure is not None:
            raise self._failure

    def _end(self, seconds: float, *, whole: bool) -> None:
        before, end = self._bytes, time.monotonic() + seconds
        while self._waiting and (left := end - time.monotonic()) > 0:
            self._ready(left)
            self.pass_on()
            if whole and self._bytes < before:
                before, end = self._bytes, time.monotonic() + seconds
        try:
            self._process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._failure = TimeoutError(f"the last tensors were not written in {seconds:g} seconds")
            self._process.kill()
            # A disk that hangs may keep it from ending, and is not to keep a job from that.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS_TO_DIE)
        if self._process.returncode:
            self._fail()

    def _wait_for(self, content: bytes) -> None:
        self._waiting.append(memoryview(content))
        self._bytes += len(content)

    def _ready(self, seconds: float) -> None:
        """Wait until the process takes more or is gone, ``seconds`` at most."""
        poll = select.poll()
        poll.register(self._pipe, select.POLLOUT)
        poll.poll(1000 * seconds)

    def _fail(self) -> None:
        """The process has ended before it was told to; why is in what it says."""
        self._waiting.clear()
        self._bytes = 0
        if self._failure is not None:
            return
        assert self._process.stderr is not None
        said = self._process.stderr.read().decode(errors="replace")
        status = self._process.wait()
        try:
            self._failure = OSError(*json.loads(said))
        except (ValueError, TypeError):
            last = said.strip().rpartition("\n")[2]
            self._failure = OSError(f"the process that writes tensors ended with status {status} {last}".strip())
