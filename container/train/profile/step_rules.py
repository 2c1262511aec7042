"""Profiler rules over the job's own clocks: Dataloader, MaxInitializationTime, OverallFrameworkMetrics, StepOutlier.

Names, parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in profiler rules"; a
parameter that AWS has not is named as ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from container.train.profile.clock import PARTS
from container.train.profile.rule import Judgement, Profile, finding, measured
from container.train.profile.series import Array, mean_rows

_MINUTE_US = 60_000_000

# Threads are judged where there was something to decode: the rule is about time, not about settings.
_LEAST_DECODE_SECONDS = 10.0
_LEAST_DECODE_PERCENT = 10.0
# Less than this a step is what indexing an array takes.
_LEAST_DATA_MS = 1.0
# Above this a GPU is the one that is waited for, wherever the waiting shows.
_BUSY_GPU_PERCENT = 70.0
# The first steps make what the others use, and one of a second would hide all that come after it.
_WARM_UP_STEPS = 10

NO_STEPS = Judgement(details="no training step was timed")


@dataclass(frozen=True, kw_only=True)
class Dataloader:
    """Threads that load, in percent of the cores, and (ours) the part of a step that may go into loading."""

    min_threshold: float = 70.0
    max_threshold: float = 200.0
    data_threshold: float = 50.0
    scan_interval_us: int = _MINUTE_US


def dataloader(profile: Profile, given: Dataloader) -> Judgement:
    """AWS's: the number of threads does not suit the cores, where decoding took long. Ours: steps wait for data."""
    timings = profile.timings
    if timings is None:
        return NO_STEPS
    found = []
    decode = timings.phase_seconds("decode")
    long = decode >= _LEAST_DECODE_SECONDS and 100 * decode >= _LEAST_DECODE_PERCENT * timings.seconds
    if timings.workers and timings.cores and long:
        percent = 100.0 * timings.workers / timings.cores
        if not given.min_threshold <= percent <= given.max_threshold:
            found.append(
                finding(
                    "workers",
                    f"{timings.workers} thread(s) decoded images on {timings.cores} core(s) for {decode:.0f} s: set "
                    "workers=auto, which is one a core.",
                    workers=timings.workers,
                    cores=timings.cores,
                    percent=percent,
                )
            )
    share = timings.share("data")
    milliseconds = 1000 * timings.totals.get("data", 0.0) / max(timings.steps, 1)
    if share > given.data_threshold and milliseconds >= _LEAST_DATA_MS and not _gpu_is_busy(profile):
        found.append(
            finding(
                "data",
                f"{share:.0f} % of a step goes into getting its images ({milliseconds:.1f} ms): use a cheaper augment, "
                "cache features (freeze=backbone), or take an instance with more vCPUs.",
                data_percent=share,
                data_ms=milliseconds,
                data_threshold=given.data_threshold,
            )
        )
    return Judgement(found, f"{share:.0f} % of a step goes into its data")


@dataclass(frozen=True, kw_only=True)
class MaxInitializationTime:
    """Minutes until the first step."""

    threshold: float = 20.0
    scan_interval_us: int = _MINUTE_US


def max_initialization_time(profile: Profile, given: MaxInitializationTime) -> Judgement:
    """A job that never came to a step is judged by all of its time."""
    timings = profile.timings
    if timings is None:
        return NO_STEPS
    seconds = timings.seconds if timings.first_step is None else timings.first_step
    came = "no step came within" if timings.first_step is None else "the first step came after"
    if seconds <= 60 * given.threshold:
        return Judgement(details=f"{came} {seconds:.0f} s")
    before = sorted(timings.phases, key=lambda phase: -phase.seconds)
    slowest = next((phase.name for phase in before if phase.start < seconds and phase.name != "train"), "setup")
    return Judgement(
        [
            finding(
                "initialization",
                f"{came[0].upper()}{came[1:]} {seconds / 60:.0f} minutes, most of them in {slowest}: use FastFile "
                "input, fewer and larger files, or keep the job's cache for the next one.",
                seconds=seconds,
                threshold_minutes=given.threshold,
                slowest=slowest,
            )
        ],
        f"{came} {seconds:.0f} s",
    )


@dataclass(frozen=True, kw_only=True)
class StepOutlier:
    """Steps longer than the mean by ``stddev`` standard deviations, of which ``n_outliers`` are let pass.

    Five is what the guide says (AWS's SDK sends three). ``cost_threshold`` is ours: in percent of all steps' time,
    what the outliers must cost together. In a training of many thousand steps some dozens are always slower, and
    nobody needs to know.
    """

    stddev: float = 5.0
    mode: str | None = None
    n_outliers: int = 10
    cost_threshold: float = 5.0
    scan_interval_us: int = _MINUTE_US


def step_outlier(profile: Profile, given: StepOutlier) -> Judgement:
    """The hook's part of a step is left out: it saves in a step of many, and that is told elsewhere."""
    timings = profile.timings
    if timings is None or not len(timings.durations_ms) or (given.mode or "TRAIN") != "TRAIN":
        return NO_STEPS
    warm = -(-_WARM_UP_STEPS // timings.stride)
    durations = np.asarray(timings.durations_ms[warm:], dtype=float)
    if not durations.size:
        return Judgement(details=f"too few steps were timed: the first {_WARM_UP_STEPS} do not count")
    slow = outliers(durations, given.stddev)
    median = float(np.median(durations))
    cost = 100.0 * float((durations[slow] - median).sum() / max(durations.sum(), 1e-9))
    told = f"{len(slow)} of {len(durations)} steps are outliers and cost {cost:.1f} % of the time"
    if len(slow) <= given.n_outliers or cost <= given.cost_threshold:
        return Judgement(details=told)
    number = (int(slow[0]) + warm) * timings.stride
    when = f"every {_usual_distance(slow) * timings.stride} steps" if len(slow) > 1 else "then"
    return Judgement(
        [
            finding(
                "step",
                f"{len(slow)} of {len(durations)} steps took {np.median(durations[slow]):.1f} ms in place of "
                f"{median:.1f} ms and cost {cost:.0f} % of the training: look for what happens {when} "
                "(saving, logging, another program).",
                step=number,
                outliers=len(slow),
                median_ms=median,
                outlier_median_ms=float(np.median(durations[slow])),
                cost_percent=cost,
            )
        ],
        told,
    )


@dataclass(frozen=True, kw_only=True)
class OverallFrameworkMetrics:
    """Nothing to set, and nothing that it would find: it tells."""

    scan_interval_us: int = _MINUTE_US


def overall_framework_metrics(profile: Profile, _given: OverallFrameworkMetrics) -> Judgement:
    """Where the job's time and its steps' time went."""
    timings = profile.timings
    if timings is None:
        return NO_STEPS
    phases = [f"{one.name} {100 * one.seconds / max(timings.seconds, 1e-9):.0f} %" for one in timings.phases]
    parts = [f"{name} {timings.share(name):.0f} %" for name in PARTS if timings.totals.get(name)]
    told = [f"of the job: {', '.join(phases)}" if phases else "", f"of a step: {', '.join(parts)}" if parts else ""]
    return Judgement(details="; ".join(filter(None, told)))


def outliers(durations: Array, stddev: float) -> np.ndarray:
    """The indices of what is longer than the mean by more than so many standard deviations."""
    return np.flatnonzero(durations > durations.mean() + stddev * durations.std())


def _usual_distance(indices: np.ndarray) -> int:
    return max(1, round(float(np.median(np.diff(indices)))))


def _gpu_is_busy(profile: Profile) -> bool:
    """Handing work to a GPU that is at its limit takes as long as that has to do: data are then the last to wait."""
    use = [measured(mean_rows(system.gpu)) for system in profile.systems.values()]
    return any(values.size and float(np.median(values)) > _BUSY_GPU_PERCENT for values in use)
