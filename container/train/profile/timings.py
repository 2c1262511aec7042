"""What a job's own clocks have told: its phases, its steps; kept in timings.json beside the timeline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from container.train import storage
from container.train.profile.clock import StepClock
from container.train.profile.phases import Phase

FILE = "timings.json"


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds since the job began. ``durations_ms`` are those of every ``stride``-th step, without the hook's part.

    ``workers`` is the number of threads that decode, on ``cores`` cores; ``totals`` the seconds of each part of
    all steps.
    """

    seconds: float
    phases: Sequence[Phase] = ()
    first_step: float | None = None
    steps: int = 0
    step_seconds: float = 0.0
    totals: Mapping[str, float] = field(default_factory=dict)
    stride: int = 1
    durations_ms: Sequence[float] = ()
    workers: int | None = None
    cores: int | None = None

    @classmethod
    def of(
        cls, clock: StepClock, phases: Sequence[Phase], *, begin: float, workers: int | None, cores: int | None
    ) -> Timings:
        """What the clocks show now; ``begin`` is the job's on the clock's own scale."""
        return cls(
            seconds=sum(phase.seconds for phase in phases),
            phases=phases,
            first_step=None if clock.first_step is None else clock.first_step - begin,
            steps=clock.count,
            step_seconds=clock.seconds,
            totals=clock.totals,
            stride=clock.stride,
            durations_ms=[round(1000 * seconds, 4) for seconds in clock.durations],
            workers=workers,
            cores=cores,
        )

    def share(self, part: str) -> float:
        """``part`` of all steps' time, in percent."""
        return 100.0 * self.totals.get(part, 0.0) / self.step_seconds if self.step_seconds > 0 else 0.0

    def phase_seconds(self, name: str) -> float:
        """The seconds of the phase ``name``; 0 where there was none."""
        return sum(phase.seconds for phase in self.phases if phase.name == name)

    def quantile_ms(self, percent: float) -> float | None:
        """Of the steps' durations."""
        return float(np.percentile(self.durations_ms, percent)) if len(self.durations_ms) else None

    def write(self, folder: Path) -> None:
        """Into ``folder``. Raises StorageError."""
        storage.write_text(folder / FILE, json.dumps(asdict(self)) + "\n")


def read(folder: Path) -> Timings | None:
    """What ``folder`` holds; None where there is nothing.

    Raises ValueError for a file that is not ours.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    try:
        phases = [
            Phase(**{**phase, "spans": [(start, end) for start, end in phase.get("spans", [])]})
            for phase in content["phases"]
        ]
        return Timings(**{**content, "phases": phases})
    except (TypeError, KeyError, ValueError, AttributeError) as exc:
        raise ValueError(f"{path} is not of this version") from exc
