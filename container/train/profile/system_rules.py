"""Profiler rules over system metrics: BatchSize, CPUBottleneck, GPUMemoryIncrease, IOBottleneck, LoadBalancing,
LowGPUUtilization, OverallSystemUsage.

Names, parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in profiler rules" (AWS's
SDK sends other defaults for some; the guide's are kept); the conditions are its sentences, and where it leaves one
open, the function says what we made of it. ``patience`` counts samples, as there: half a second each by default.
``scan_interval_us`` is how often a rule looks while a job runs; all look once more at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from container.train.profile import system_files as names
from container.train.profile.rule import NO_GPU, Judgement, Profile, finding, measured, p, windows
from container.train.profile.series import Array, System, mean_rows

_MINUTE_US = 60_000_000


@dataclass(frozen=True, kw_only=True)
class BatchSize:
    """Percentiles below these over a window: processors, GPUs and their memory have room for a larger batch."""

    cpu_threshold_p95: float = 70.0
    gpu_threshold_p95: float = 70.0
    gpu_memory_threshold_p95: float = 70.0
    patience: int = 100
    window: int = 500
    scan_interval_us: int = _MINUTE_US


def batch_size(profile: Profile, given: BatchSize) -> Judgement:
    """All three are low at once, for any GPU."""
    if not profile.gpus:
        return NO_GPU
    found = []
    for what, use, memory in profile.each_gpu():
        cpu = measured(mean_rows(profile.systems[what.split("/")[0]].cpu))
        for window in windows(min(len(use), len(memory), len(cpu)), given.patience, given.window):
            high = p(cpu[window], 95), p(use[window], 95), p(memory[window], 95)
            limits = given.cpu_threshold_p95, given.gpu_threshold_p95, given.gpu_memory_threshold_p95
            if all(value < limit for value, limit in zip(high, limits, strict=True)):
                found.append(
                    finding(
                        what,
                        f"95 % of the time {what} was used less than {high[1]:.0f} %, its memory {high[2]:.0f} % and "
                        f"the processors {high[0]:.0f} %: raise batch-size, or take a smaller instance.",
                        cpu_p95=high[0],
                        gpu_p95=high[1],
                        gpu_memory_p95=high[2],
                        until_sample=window.stop,
                    )
                )
                break
    return Judgement(found)


@dataclass(frozen=True, kw_only=True)
class CPUBottleneck:
    """A GPU below its threshold while the processors are above theirs, in more than ``threshold`` % of samples."""

    threshold: float = 50.0
    gpu_threshold: float = 10.0
    cpu_threshold: float = 90.0
    patience: int = 100
    scan_interval_us: int = _MINUTE_US


def cpu_bottleneck(profile: Profile, given: CPUBottleneck) -> Judgement:
    """Of the samples after ``patience``; the processors are the mean of all cores."""
    if not profile.gpus:
        return NO_GPU
    found = []
    for node, system in profile.systems.items():
        share = _low_gpu_share(system, mean_rows(system.cpu) > given.cpu_threshold, given.gpu_threshold, given.patience)
        if share > given.threshold:
            found.append(
                finding(
                    f"{node}/cpu",
                    f"In {share:.0f} % of the time the GPU waited for processors at their limit: cache features "
                    "(freeze=backbone), use a cheaper augment, or take an instance with more vCPUs for each GPU.",
                    share_percent=share,
                    gpu_threshold=given.gpu_threshold,
                    cpu_threshold=given.cpu_threshold,
                )
            )
    return Judgement(found)


@dataclass(frozen=True, kw_only=True)
class IOBottleneck:
    """A GPU below its threshold while processors wait for disks, in more than ``threshold`` % of samples."""

    threshold: float = 50.0
    gpu_threshold: float = 70.0
    io_threshold: float = 50.0
    patience: int = 1000
    scan_interval_us: int = _MINUTE_US


def io_bottleneck(profile: Profile, given: IOBottleneck) -> Judgement:
    """Of the samples after ``patience``; waiting is the mean of all cores. Without a GPU the waiting alone counts."""
    found = []
    for node, system in profile.systems.items():
        waits = mean_rows(system.io_wait) > given.io_threshold
        share = _low_gpu_share(system, waits, given.gpu_threshold, given.patience)
        if share > given.threshold:
            found.append(
                finding(
                    f"{node}/io",
                    f"In {share:.0f} % of the time the processors waited for the disk: give the job a faster or larger "
                    "volume, fewer and larger files, or FastFile input.",
                    share_percent=share,
                    io_threshold=given.io_threshold,
                )
            )
    return Judgement(found, "" if profile.gpus else f"{NO_GPU.details}; the waiting for disks alone was judged")


@dataclass(frozen=True, kw_only=True)
class GPUMemoryIncrease:
    """A moving average of GPU memory that has risen by more than ``increase`` percent points."""

    increase: float = 10.0
    patience: int = 100
    window: int = 500
    scan_interval_us: int = _MINUTE_US


def gpu_memory_increase(profile: Profile, given: GPUMemoryIncrease) -> Judgement:
    """Compared with the first average after ``patience``: a leak rises slowly, and from one to the next by nothing."""
    if not profile.gpus:
        return NO_GPU
    found = []
    for what, _use, memory in profile.each_gpu():
        averages = moving_average(memory[given.patience :], given.window)
        rises = averages - averages[:1]
        if len(rises) and rises.max() > given.increase:
            found.append(
                finding(
                    what,
                    f"The memory of {what} rose from {averages[0]:.0f} % to {averages.max():.0f} %: look for tensors "
                    "that are kept from step to step with their graph (detach() them), or lower batch-size.",
                    first_percent=float(averages[0]),
                    highest_percent=float(averages.max()),
                    increase=given.increase,
                )
            )
    return Judgement(found)


@dataclass(frozen=True, kw_only=True)
class LoadBalancing:
    """Two GPUs of a node whose histograms of use lie further apart than ``threshold``, from 0 to 1."""

    threshold: float = 0.5
    patience: int = 10
    scan_interval_us: int = _MINUTE_US


def load_balancing(profile: Profile, given: LoadBalancing) -> Judgement:
    """AWS names no distance: ours is the share of the time in which the two differ (total variation, ten bins)."""
    if profile.gpus < 2:
        return Judgement(details="there are not two GPUs to compare") if profile.gpus else NO_GPU
    found = []
    for node, system in profile.systems.items():
        for one, other in combinations(range(system.gpu.shape[1]), 2):
            use = [measured(system.gpu[:, index]) for index in (one, other)]
            if min(map(len, use)) <= given.patience:
                continue
            apart = histogram_distance(use[0], use[1])
            if apart > given.threshold:
                found.append(
                    finding(
                        f"{node}/gpu{one}",
                        f"GPUs {one} and {other} of {node} are not equally busy ({use[0].mean():.0f} % and "
                        f"{use[1].mean():.0f} % on average): give every process the same share of each step.",
                        distance=apart,
                        threshold=given.threshold,
                        other=f"gpu{other}",
                    )
                )
    return Judgement(found)


@dataclass(frozen=True, kw_only=True)
class LowGPUUtilization:
    """A GPU whose 95th percentile lies below ``threshold_p95``, or above while its 5th lies below ``threshold_p5``."""

    threshold_p95: float = 70.0
    threshold_p5: float = 10.0
    window: int = 500
    patience: int = 1000
    scan_interval_us: int = _MINUTE_US


def low_gpu_utilization(profile: Profile, given: LowGPUUtilization) -> Judgement:
    """Under-used, or fluctuating; the first window says which."""
    if not profile.gpus:
        return NO_GPU
    found = []
    for what, use, _memory in profile.each_gpu():
        for window in windows(len(use), given.patience, given.window):
            low, high = p(use[window], 5), p(use[window], 95)
            kind = utilization(low, high, given)
            if kind:
                found.append(
                    finding(
                        what,
                        f"{what} is {kind} (5 % of the time below {low:.0f} %, 95 % below {high:.0f} %): raise "
                        "batch-size, cache features, or take a smaller GPU.",
                        p5=low,
                        p95=high,
                        until_sample=window.stop,
                    )
                )
                break
    return Judgement(found)


@dataclass(frozen=True, kw_only=True)
class OverallSystemUsage:
    """Nothing to set, and nothing that it would find: it tells."""

    scan_interval_us: int = _MINUTE_US


def overall_system_usage(profile: Profile, _given: OverallSystemUsage) -> Judgement:
    """Mean, 95th percentile and highest of each resource of each node."""
    parts = []
    for node, system in profile.systems.items():
        told = []
        for name, values, unit in _resources(system):
            known = measured(values)
            if known.size:
                told.append(f"{name} {known.mean():.0f}/{p(known, 95):.0f}/{known.max():.0f} {unit}")
        parts.append(f"{node}: {', '.join(told)}")
    return Judgement(details=f"mean/p95/highest of {'; '.join(parts)}" if parts else "nothing was measured")


def utilization(low: float, high: float, given: LowGPUUtilization) -> str:
    """What the 5th and 95th percentile of a GPU's use say; nothing when all is well."""
    if high < given.threshold_p95:
        return "under-used"
    if high > given.threshold_p95 and low < given.threshold_p5:
        return "used in bursts"
    return ""


def moving_average(values: Array, window: int) -> Array:
    """Of ``window`` neighbours; empty where there are fewer."""
    if len(values) < window:
        return np.empty(0)
    return np.convolve(values, np.ones(window) / window, mode="valid")


def histogram_distance(one: Array, other: Array) -> float:
    """From 0, the same, to 1, never alike: half the absolute difference of two histograms of ten bins."""
    first, second = (np.histogram(values, bins=10, range=(0, 100))[0] / len(values) for values in (one, other))
    return float(np.abs(first - second).sum() / 2)


def _low_gpu_share(system: System, busy: np.ndarray, gpu_threshold: float, patience: int) -> float:
    """In how many percent of the samples after ``patience`` the condition ``busy`` holds and any GPU is low."""
    if system.gpu.shape[1]:
        busy = busy & (system.gpu < gpu_threshold).any(axis=1)
    after = busy[patience:]
    return 100.0 * float(after.mean()) if len(after) else 0.0


def _resources(system: System) -> list[tuple[str, Array, str]]:
    megabyte = 1e6
    network = system.metric("network", names.RECEIVED, names.ALGORITHM) + system.metric(
        "network", names.SENT, names.ALGORITHM
    )
    disk = system.metric("i/o", names.READ) + system.metric("i/o", names.WRITTEN)
    return [
        ("processors", mean_rows(system.cpu), "%"),
        ("waiting for disks", mean_rows(system.io_wait), "%"),
        ("memory", system.metric("memory", names.MEMORY), "%"),
        ("GPUs", mean_rows(system.gpu), "%"),
        ("GPU memory", mean_rows(system.gpu_memory), "%"),
        ("disks", disk / megabyte, "MB/s"),
        ("network", network / megabyte, "MB/s"),
    ]
