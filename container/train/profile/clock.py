"""Where the time of training steps goes, by a clock that costs microseconds a step.

    clock.begin()
    inputs = …;  clock.lap("data")
    logits = …;  clock.lap("forward")
    …
    clock.end()

On a GPU a part lasts until its work is handed over, not until it is done: to wait for that would slow the training.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

PARTS = ("data", "forward", "backward", "optimizer", "hook")

# Of the first steps each part is kept; of all others in a training of any length, every second, fourth, …
DETAILED_STEPS = 500
KEPT_STEPS = 20_000


class Clock(Protocol):
    """Told where a step is."""

    def watch(self, hook: Callable[[], float]) -> None:
        """``hook`` gives the seconds that the debugger hook has taken so far."""

    def begin(self) -> None:
        """A training step begins."""

    def lap(self, part: str) -> None:
        """What came since ``begin``, or the last lap, was ``part``."""

    def end(self) -> None:
        """The step ends."""


class NoClock:
    """Nobody asks."""

    def watch(self, hook: Callable[[], float]) -> None: ...

    def begin(self) -> None: ...

    def lap(self, part: str) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True)
class DetailedStep:
    """One step: when it began (the clock's seconds), how long it took, and its parts in the order they came."""

    start: float
    seconds: float
    laps: tuple[tuple[str, float, float], ...]


class StepClock:
    """Keeps the first steps in detail, the durations of the others, and totals of all."""

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        *,
        before: Callable[[int], None] = lambda _: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """``before`` is called before each step, with its number in this process, and ``after`` once it is counted."""
        self._now, self._before, self._after = now, before, after
        self._hook: Callable[[], float] = lambda: 0.0
        self._start = self._last = self._hooked = self._hooked_before = 0.0
        self._laps: list[tuple[str, float, float]] = []
        self._stride = 1
        self.first_step: float | None = None
        self.count = 0
        self.seconds = 0.0
        self.totals = dict.fromkeys(PARTS, 0.0)
        self.detailed: list[DetailedStep] = []
        # Seconds of every ``stride``-th step, the hook's left out: it is at work in a step of many only.
        self.durations = array("d")

    @property
    def stride(self) -> int:
        """One of so many steps is in ``durations``."""
        return self._stride

    def watch(self, hook: Callable[[], float]) -> None:
        self._hook = hook

    def begin(self) -> None:
        self._before(self.count)
        self._start = self._last = self._now()
        self._hooked = self._hooked_before = self._hook()
        self._laps = []
        if self.first_step is None:
            self.first_step = self._start

    def lap(self, part: str) -> None:
        now, hooked = self._now(), self._hook()
        hook = hooked - self._hooked
        self.totals[part] += now - self._last - hook
        self.totals["hook"] += hook
        if len(self.detailed) < DETAILED_STEPS:
            self._laps.append((part, self._last, now - self._last))
        self._last, self._hooked = now, hooked

    def end(self) -> None:
        seconds = self._now() - self._start
        if len(self.detailed) < DETAILED_STEPS:
            self.detailed.append(DetailedStep(self._start, seconds, tuple(self._laps)))
        if self.count % self._stride == 0:
            self.durations.append(seconds - (self._hooked - self._hooked_before))
            if len(self.durations) == KEPT_STEPS:
                self.durations, self._stride = self.durations[::2], 2 * self._stride
        self.count += 1
        self.seconds += seconds
        self._after()
