"""What profiler rules look at, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from container.train.profile import series, timeline, timings
from container.train.profile.series import Array, System
from container.train.profile.timings import Timings
from container.train.rules.findings import Finding, Value


@dataclass(frozen=True)
class Profile:
    """All that is known of a job: the system of each node, and the clocks of the first one."""

    systems: Mapping[str, System] = field(default_factory=dict)
    timings: Timings | None = None

    @property
    def gpus(self) -> int:
        """On all nodes."""
        return sum(system.gpu.shape[1] for system in self.systems.values())

    def each_gpu(self) -> Iterator[tuple[str, Array, Array]]:
        """(node/gpu0, its use, its memory) in percent, of what was measured."""
        for node, system in self.systems.items():
            for index in range(system.gpu.shape[1]):
                memory = system.gpu_memory[:, index] if index < system.gpu_memory.shape[1] else np.empty(0)
                yield f"{node}/gpu{index}", measured(system.gpu[:, index]), measured(memory)


def read(folder: Path) -> Profile:
    """What ``folder`` holds. Raises ValueError for a file that is damaged."""
    return Profile(series.read(folder), timings.read(folder) or timeline.read(folder))


@dataclass(frozen=True)
class Judgement:
    """A rule's findings, none where its condition is not met, and a sentence about what it saw."""

    findings: Sequence[Finding] = ()
    details: str = ""


NO_GPU = Judgement(details="there is no GPU")


def finding(what: str, advice: str, *, step: int = 0, **values: Value) -> Finding:
    """A finding about ``what`` (a metric's name, with its node)."""
    return Finding(step, "TRAIN", what, values, advice)


def measured(values: Array) -> Array:
    """Without NaN."""
    return values[~np.isnan(values)]


def windows(count: int, patience: int, size: int) -> list[slice]:
    """The last ``size`` of ``count`` points, looked at once there are more than ``patience``, each ``size`` more,
    and at the end."""
    ends = list(range(patience + 1, count + 1, size))
    if count > patience and (not ends or ends[-1] != count):
        ends.append(count)
    return [slice(max(0, end - size), end) for end in ends]


def p(values: Array, percent: float) -> float:
    """A percentile."""
    return float(np.percentile(values, percent))
