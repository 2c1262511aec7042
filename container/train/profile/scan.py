"""python -m container.train.profile.scan ROOT PARENT: profiler rules while a job runs, in ROOT/rules.json.

Each rule looks now, and then every ``scan_interval_us``, as AWS's do. A process of its own, at the lowest priority,
ended by the kernel with the monitor that started it, and so with the job, whose last look replaces what stands there.
What a rule says is true of the job so far: a finding of its first minutes may be gone at its end.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from container.common.errors import StorageError
from container.train import storage
from container.train.beside import LOWEST_PRIORITY, end_with_parent
from container.train.profile import rule, timings
from container.train.profile.evaluation import Evaluation
from container.train.profile.rule import Profile
from container.train.rules.board import dumps

FILE = "rules.json"

# However short the intervals, and however long the profile: looking takes a hundredth of a core.
LEAST_SECONDS = 5.0
PAUSES_FOR_A_LOOK = 100.0

# Fewer say nothing of those to come.
LEAST_STEPS = 10


def main(arguments: list[str]) -> int:
    """The exit status: 0 when the parent has ended, 1 with a sentence on stderr when nothing can be written."""
    root, parent = Path(arguments[0]), int(arguments[1])
    end_with_parent()
    os.nice(LOWEST_PRIORITY)
    scan = Scan(root, Evaluation())
    while os.getppid() == parent:
        try:
            pause = scan.look()
        except StorageError as exc:
            sys.stderr.write(str(exc))
            return 1
        time.sleep(pause)
    return 0


class Scan:
    """Looks at the profile in ``root`` with the rules that are due."""

    def __init__(
        self,
        root: Path,
        evaluation: Evaluation,
        *,
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.process_time,
    ) -> None:
        self._root, self._evaluation, self._clock, self._cost = root, evaluation, clock, cost
        # All at once: the first look is as late as the first of them wants it.
        self._due = dict.fromkeys(evaluation.intervals, clock())

    def look(self) -> float:
        """Look once, and write what has come of it; the seconds until the next look. Raises StorageError."""
        began, at = self._cost(), self._clock()
        due = [name for name in self._evaluation.sound if self._due[name] <= at]
        try:
            profile = _live(self._root)
        except (OSError, ValueError):
            # A file that is just being written or replaced: it will be there at the next look.
            return LEAST_SECONDS
        self._evaluation.look(profile, (name for name in due if _ripe(name, profile)), last=False)
        write(self._root, self._evaluation)
        for name in due:
            self._due[name] = at + self._evaluation.intervals[name]
        waits = [self._due[name] - at for name in self._evaluation.sound]
        return max(LEAST_SECONDS, PAUSES_FOR_A_LOOK * (self._cost() - began), min(waits, default=LEAST_SECONDS))


def write(root: Path, evaluation: Evaluation) -> None:
    """Leave how the rules stand in ``root``. Raises StorageError."""
    storage.write_text(root / FILE, dumps([verdict.to_json() for verdict in evaluation.verdicts]))


def _live(root: Path) -> Profile:
    """The profile so far; what a job last told of its time is some seconds old."""
    profile = rule.read(root)
    if profile.timings is None:
        return profile
    age = max(0.0, time.time() - (root / timings.FILE).stat().st_mtime)
    return replace(profile, timings=replace(profile.timings, seconds=profile.timings.seconds + age))


def _ripe(name: str, profile: Profile) -> bool:
    """Whether ``name`` may be asked yet; a first step that has not come is for MaxInitializationTime to tell."""
    return name != "Dataloader" or profile.timings is None or profile.timings.steps >= LEAST_STEPS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
