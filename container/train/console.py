"""What a job says while it runs: prose, metrics lines and progress lines, from rank 0, flushed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import IO

from container.common.metrics import Progress, format_line, format_progress

# A progress bar needs no more, and a log bears no more.
SECONDS_BETWEEN = 2.0


class Console:
    """Prints lines; ``silent`` on every rank but the first."""

    def __init__(
        self, *, silent: bool = False, stream: IO[str] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._silent = silent
        self._stream = stream
        self._clock = clock
        self._last = float("-inf")
        # Every metrics line so far: what is known of a job that fails before it can tell the rest.
        self.told: list[dict[str, float | int]] = []

    def say(self, text: str) -> None:
        """One line of prose (or a metrics line), at once."""
        if not self._silent:
            print(text, file=self._stream or sys.stdout, flush=True)

    def warn(self, text: str) -> None:
        """A line that begins with "warning:"."""
        self.say(f"warning: {text}")

    def metrics(self, values: Mapping[str, float | int]) -> None:
        """A metrics line."""
        self.told.append(dict(values))
        self.say(format_line(values))

    @property
    def due(self) -> bool:
        """Whether enough time has gone by for another progress line."""
        return not self._silent and self._clock() - self._last >= SECONDS_BETWEEN

    def progress(self, progress: Progress) -> None:
        """A progress line, unless the last one was less than two seconds ago."""
        if self.due:
            self._last = self._clock()
            self.say(format_progress(progress))


def refused(reason: str) -> int:
    """The exit status of a program that cannot do its work, once it has said why."""
    sys.stderr.write(f"{reason}\n")
    return 1


class Meter:
    """Counts images of one stage and reports them through the console."""

    def __init__(self, console: Console, stage: str, total: int, *, round: int = 0, rounds: int = 0) -> None:
        self._console = console
        self._stage, self._total, self._round, self._rounds = stage, total, round, rounds
        self._start = time.monotonic()
        self._done = self._skipped = 0

    def skip(self, count: int) -> None:
        """``count`` images were done before, by another process."""
        self._done += count
        self._skipped += count

    def add(self, count: int, *, now: Callable[[], tuple[float, float]] | None = None) -> None:
        """``count`` more images are done; ``now`` gives (loss, accuracy) when a line is to be printed."""
        self._done += count
        if not self._done or not self._console.due:
            return  # none is done while files are only looked into
        loss, accuracy = now() if now else (None, None)
        seconds = max(time.monotonic() - self._start, 1e-9)
        self._console.progress(
            Progress(
                stage=self._stage,
                done=self._done,
                total=self._total,
                round=self._round,
                rounds=self._rounds,
                rate=(self._done - self._skipped) / seconds,
                loss=loss,
                accuracy=accuracy,
            )
        )
