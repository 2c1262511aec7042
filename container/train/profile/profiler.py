"""The profiler of a training job: the system's monitor, the job's clocks and the rules; at the end, all its files.

profiler = of_job(paths, hyperparameters, world, console)
try:
    with profiler.phase("train"):
        …                                  # and profiler.clock in the loop
finally:
    profiler.close()
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from container.common.errors import StorageError, first_line
from container.common.hyperparameters import Hyperparameters
from container.train.console import Console
from container.train.decode import processors
from container.train.paths import Paths
from container.train.profile import scan, series, summary, timeline
from container.train.profile.clock import Clock, NoClock, StepClock
from container.train.profile.evaluation import REPORT, Evaluation
from container.train.profile.monitoring import Monitoring
from container.train.profile.phases import Phases
from container.train.profile.rule import Profile
from container.train.profile.timings import Timings
from container.train.profile.trace import Trace
from container.train.rules.findings import ISSUES
from container.train.world import World

TAG = "[profiler]"

# How often a job tells of its time while it runs, for the rules: seldom enough to take half a percent of it.
SECONDS_BETWEEN_TELLING = 5.0
PAUSES_FOR_A_TELLING = 200.0


class Profiler(Protocol):
    """Told what the job is at."""

    clock: Clock

    def phase(self, name: str) -> AbstractContextManager[None]:
        """The job is in the phase ``name``."""

    def close(self) -> None:
        """The job ends, however it does: write what is known."""


class NoProfiler:
    """Nobody asks."""

    clock: Clock = NoClock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        yield

    def close(self) -> None: ...


class HostProfiler(NoProfiler):
    """Of a host that does not lead the job: its system alone."""

    def __init__(self, monitoring: Monitoring, console: Console) -> None:
        self._monitoring, self._console = monitoring, console
        _tell(monitoring.start(), console)

    def close(self) -> None:
        _tell(self._monitoring.finish(), self._console)


class JobProfiler:
    """Of the process that leads the job. No fault of it ends the training: each is a warning."""

    def __init__(
        self, folder: Path, node: str, hyperparameters: Hyperparameters, console: Console, *, monitoring: Monitoring
    ) -> None:
        h, self._console = hyperparameters, console
        self._folder, self._node, self._h = folder, node, h
        self._monitoring, self._evaluation = monitoring, Evaluation()
        _tell(monitoring.start(), console)
        self._trace = Trace(h.profile_steps, folder / "trace", console.warn) if h.profile_steps else None
        self._phases, self._epoch = Phases(), time.time()
        before = self._trace.before if self._trace else lambda _: None
        self._steps = StepClock(before=before, after=self._tell_timings)
        self.clock: Clock = self._steps
        self._due = float("-inf")
        self._guarded(lambda: scan.write(folder, self._evaluation))

    def phase(self, name: str) -> AbstractContextManager[None]:
        self._tell_timings()
        return self._phases.enter(name)

    def close(self) -> None:
        _tell(self._monitoring.finish(), self._console)
        if self._trace is not None:
            self._trace.close()
        self._guarded(self._write)

    def _guarded(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except (StorageError, OSError, ValueError) as exc:
            self._console.warn(f"the profile is not complete ({first_line(exc)})")
            return False
        return True

    def _tell_timings(self) -> None:
        """What the rules beside the job are to know of its time, if it is time to tell."""
        began = time.perf_counter()
        if began < self._due:
            return
        told = self._guarded(lambda: self._timings().write(self._folder))
        now = time.perf_counter()
        pause = max(SECONDS_BETWEEN_TELLING, PAUSES_FOR_A_TELLING * (now - began))
        self._due = now + pause if told else float("inf")

    def _timings(self) -> Timings:
        workers = processors() if self._h.workers == "auto" else int(self._h.workers)
        return Timings.of(
            self._steps, self._phases.so_far(), begin=self._phases.begin, workers=workers, cores=processors()
        )

    def _write(self) -> None:
        timings = self._timings()
        timings.write(self._folder)
        timeline.write(
            self._folder,
            self._node,
            steps=self._steps.detailed,
            phases=timings.phases,
            begin=self._phases.begin,
            epoch=self._epoch,
        )
        profile = Profile(series.read(self._folder), timings)
        self._evaluation.look(profile)
        scan.write(self._folder, self._evaluation)
        verdicts = self._evaluation.verdicts
        for verdict in verdicts:
            if verdict.status == ISSUES and verdict.rule != REPORT:
                self._console.say(f"{TAG} {verdict.rule} {ISSUES}: {verdict.findings[0]['advice']}")
        content = summary.of(
            profile, verdicts, interval_ms=self._h.profile_interval_ms, node=self._node, began=self._epoch
        )
        summary.write(self._folder, content)


def of_job(paths: Paths, hyperparameters: Hyperparameters, world: World, console: Console) -> Profiler:
    """The profiler that profile-interval-ms asks for; one on each host looks at its system."""
    if hyperparameters.profile_interval_ms == 0 or world.local_rank != 0:
        return NoProfiler()
    folder, node = paths.output / "profile", node_of(paths)
    # Of an earlier start of the same job: its times would not fit.
    shutil.rmtree(folder, ignore_errors=True)
    interval = hyperparameters.profile_interval_ms
    if not world.first:
        return HostProfiler(Monitoring(folder, node, interval), console)
    # Not sooner than the first rule wants to look: a short job has no process more.
    monitoring = Monitoring(folder, node, interval, look_after=min(Evaluation().intervals.values()))
    return JobProfiler(folder, node, hyperparameters, console, monitoring=monitoring)


def node_of(paths: Paths) -> str:
    """This host as smdebug's readers want it named: algo-1, algo-2, …"""
    path = paths.config / "resourceconfig.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    current, hosts = str(content.get("current_host", "")), sorted(content.get("hosts", []))
    if re.fullmatch(r"algo-\d+", current):
        return current
    return f"algo-{hosts.index(current) + 1 if current in hosts else 1}"


def _tell(trouble: str | None, console: Console) -> None:
    if trouble:
        console.warn(trouble)
