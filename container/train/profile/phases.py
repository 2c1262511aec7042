"""The phases of a job, which together make up its time: a phase within another takes its time from that one.

with phases.enter("train"):
    with phases.enter("validate"):     # not counted as train
        …
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# What belongs to no phase: the configuration, the network's weights, the tables.
REST = "setup"


@dataclass
class Phase:
    """When a phase first began, in seconds since the job did, the seconds of all its parts, and their ends."""

    name: str
    start: float
    seconds: float = 0.0
    # (start, end) of each part, in seconds since the job began: one validates amid training, again and again.
    spans: list[tuple[float, float]] = field(default_factory=list)


class Phases:
    """Told what the job is at."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self.begin = self._last = now()
        self._current = Phase(REST, 0.0)
        self._known = {REST: self._current}

    @contextmanager
    def enter(self, name: str) -> Iterator[None]:
        """Be in the phase ``name``."""
        outer = self._current
        self._charge()
        self._current = self._known.setdefault(name, Phase(name, self._last - self.begin))
        try:
            yield
        finally:
            self._charge()
            self._current = outer

    def so_far(self) -> list[Phase]:
        """The phases so far, by their beginning; their seconds add up to those since the job began."""
        self._charge()
        return sorted(self._known.values(), key=lambda phase: phase.start)

    def _charge(self) -> None:
        now = self._now()
        start, spans = self._last - self.begin, self._current.spans
        self._current.seconds += now - self._last
        if spans and spans[-1][1] == start:
            start, _ = spans.pop()
        spans.append((start, now - self.begin))
        self._last = now
