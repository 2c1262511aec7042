"""Jobs by the figures they leave, each with one fault, and three in good health: what profiler rules are measured on.

No GPU is needed to write what a GPU's figures would be. Steps pass through the job's own clock, on made-up time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from container.train.profile.clock import StepClock
from container.train.profile.phases import Phase
from container.train.profile.rule import Profile
from container.train.profile.series import Array
from container.train.profile.system_files import path_of
from container.train.profile.timings import Timings
from tests.train.profile.systems import profile

SAMPLES = 2400  # twenty minutes of them


@dataclass(frozen=True)
class Job:
    """What a job leaves, and which rules must speak of it; others may have good reasons to."""

    profile: Callable[[], Profile]
    rules: tuple[str, ...] = ()


def about(mean: float, *, spread: float = 3.0, seed: int = 0, samples: int = SAMPLES) -> Array:
    """Percent that change as those of a machine do."""
    return np.clip(np.random.default_rng(seed).normal(mean, spread, samples), 0, 100)


def timed(
    *,
    count: int = 600,
    parts: Mapping[str, float] | None = None,
    slow: Callable[[int], float] = lambda _: 0.0,
    setup: float = 30.0,
    decode: float = 30.0,
    workers: int = 8,
) -> Timings:
    """``count`` steps of ``parts`` (seconds) after ``setup`` and ``decode``; ``slow`` says what each takes more."""
    given = parts or {"data": 0.002, "forward": 0.03, "backward": 0.05, "optimizer": 0.01}
    random = np.random.default_rng(0)
    now = 0.0
    clock = StepClock(lambda: now)
    now = setup + decode
    for step in range(count):
        clock.begin()
        for part, seconds in given.items():
            now += seconds * random.uniform(0.95, 1.05)
            clock.lap(part)
        now += slow(step)
        clock.end()
    train = now - setup - decode
    phases = [Phase("setup", 0.0, setup), Phase("decode", setup, decode), Phase("train", setup + decode, train)]
    return Timings.of(clock, phases, begin=0.0, workers=workers, cores=8)


def write(found: Profile, folder: Path) -> None:
    """Leave ``found`` as a job does."""
    for node, system in found.systems.items():
        for index, stamp in enumerate(system.times):
            path = path_of(folder, node, stamp)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                for (kind, name, dimension), values in system.metrics.items():
                    event = {"Type": kind, "Name": name, "Dimension": dimension, "Value": float(values[index])}
                    file.write(json.dumps(event | {"NodeId": node, "Timestamp": float(stamp)}) + "\n")
    if found.timings is not None:
        found.timings.write(folder)


HEALTHY = {
    "a GPU at work": Job(
        lambda: profile(SAMPLES, cpu=about(40), gpu=[about(92)], gpu_memory=[about(80)], timings=timed())
    ),
    "two GPUs at work": Job(
        lambda: profile(
            SAMPLES,
            cpu=about(50),
            gpu=[about(92), about(92, seed=1)],
            gpu_memory=[about(80), about(80)],
            timings=timed(),
        )
    ),
    "processors at work": Job(lambda: profile(SAMPLES, cpu=about(97), io_wait=about(1), timings=timed())),
}

FAULTS = {
    "a sleep in the data loader": Job(
        lambda: profile(timings=timed(parts={"data": 0.1, "forward": 0.01, "backward": 0.02})), ("Dataloader",)
    ),
    "one decoding thread on eight cores": Job(lambda: profile(timings=timed(decode=300.0, workers=1)), ("Dataloader",)),
    "tiny batches": Job(
        lambda: profile(SAMPLES, cpu=about(20), gpu=[about(25)], gpu_memory=[about(10)], timings=timed()),
        ("BatchSize", "LowGPUUtilization"),
    ),
    "a GPU used in bursts": Job(
        lambda: profile(SAMPLES, cpu=about(60), gpu=[np.tile([95.0, 95.0, 2.0], SAMPLES // 3)], timings=timed()),
        ("LowGPUUtilization",),
    ),
    "processors that hold a GPU up": Job(
        lambda: profile(SAMPLES, cpu=about(97, spread=1), gpu=[about(4, spread=1)], timings=timed()),
        ("CPUBottleneck",),
    ),
    "a disk that holds a GPU up": Job(
        lambda: profile(SAMPLES, cpu=about(10), io_wait=about(75), gpu=[about(40)], timings=timed()), ("IOBottleneck",)
    ),
    "a disk that holds processors up": Job(
        lambda: profile(SAMPLES, cpu=about(10), io_wait=about(75), timings=timed()), ("IOBottleneck",)
    ),
    "one of two GPUs idle": Job(
        lambda: profile(SAMPLES, cpu=about(40), gpu=[about(92), np.zeros(SAMPLES)], timings=timed()),
        ("LoadBalancing", "LowGPUUtilization"),
    ),
    "a list that keeps its tensors": Job(
        lambda: profile(
            SAMPLES, cpu=about(40), gpu=[about(92)], gpu_memory=[np.linspace(40, 95, SAMPLES)], timings=timed()
        ),
        ("GPUMemoryIncrease",),
    ),
    "half an hour until the first step": Job(lambda: profile(timings=timed(setup=1800.0)), ("MaxInitializationTime",)),
    "one slow step in fifty": Job(
        lambda: profile(timings=timed(slow=lambda step: 1.0 if step % 50 == 49 else 0.0)), ("StepOutlier",)
    ),
}
