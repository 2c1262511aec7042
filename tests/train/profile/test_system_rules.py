"""Rules over system metrics, on both sides of each threshold that AWS documents."""

from __future__ import annotations

import numpy as np
import pytest

from container.train.profile import system_rules as rules
from container.train.profile.evaluation import RULES, evaluate
from container.train.profile.rule import windows
from container.train.rules.findings import NO_ISSUES
from tests.train.profile.systems import mostly, profile


@pytest.mark.parametrize(
    ("cpu", "gpu", "memory", "met"),
    [(69, 69, 69, True), (71, 69, 69, False), (69, 71, 69, False), (69, 69, 71, False), (70, 70, 70, False)],
)
def test_a_batch_is_small_when_nothing_is_used_above_seventy_percent(
    cpu: float, gpu: float, memory: float, met: bool
) -> None:
    given = profile(200, cpu=cpu, gpu=[gpu], gpu_memory=[memory])
    assert bool(rules.batch_size(given, rules.BatchSize()).findings) is met


@pytest.mark.parametrize(("samples", "met"), [(100, False), (101, True)])
def test_a_rule_waits_for_more_samples_than_its_patience(samples: int, met: bool) -> None:
    given = profile(samples, cpu=10, gpu=[10], gpu_memory=[10])
    assert bool(rules.batch_size(given, rules.BatchSize()).findings) is met


@pytest.mark.parametrize(("high_percent", "met"), [(4, True), (6, False)])
def test_the_ninety_fifth_percentile_is_what_counts(high_percent: float, met: bool) -> None:
    gpu = mostly(10, 100, 500, high_percent)
    given = profile(500, cpu=10, gpu=[gpu], gpu_memory=[10])
    found = rules.batch_size(given, rules.BatchSize(patience=499)).findings
    assert bool(found) is met


@pytest.mark.parametrize(
    ("gpu", "cpu", "share", "met"),
    [(9, 91, 51, True), (9, 91, 49, False), (10, 91, 100, False), (9, 90, 100, False), (9, 91, 50, False)],
)
def test_processors_hold_up_a_gpu_in_more_than_half_of_the_time(
    gpu: float, cpu: float, share: float, met: bool
) -> None:
    given = profile(1100, gpu=[gpu], cpu=np.concatenate([np.zeros(100), mostly(50, cpu, 1000, share)]))
    judgement = rules.cpu_bottleneck(given, rules.CPUBottleneck())
    assert bool(judgement.findings) is met


@pytest.mark.parametrize(
    ("gpu", "waiting", "share", "met"),
    [(69, 51, 51, True), (69, 51, 49, False), (70, 51, 100, False), (69, 50, 100, False)],
)
def test_disks_hold_up_a_gpu_in_more_than_half_of_the_time(gpu: float, waiting: float, share: float, met: bool) -> None:
    given = profile(2000, gpu=[gpu], io_wait=np.concatenate([np.zeros(1000), mostly(0, waiting, 1000, share)]))
    assert bool(rules.io_bottleneck(given, rules.IOBottleneck()).findings) is met


@pytest.mark.parametrize(("waiting", "met"), [(49, False), (51, True)])
def test_without_a_gpu_the_waiting_for_disks_alone_counts(waiting: float, met: bool) -> None:
    assert bool(rules.io_bottleneck(profile(1100, io_wait=waiting), rules.IOBottleneck()).findings) is met


@pytest.mark.parametrize(("rise", "met"), [(9.5, False), (10.5, True)])
def test_gpu_memory_may_rise_by_ten_points(rise: float, met: bool) -> None:
    grown = np.concatenate([np.full(500, 50.0), np.linspace(50, 50 + rise, 100), np.full(500, 50 + rise)])
    leak = np.concatenate([np.linspace(0, 50, 100), grown])
    given = profile(1200, gpu=[90.0], gpu_memory=[leak])
    judgement = rules.gpu_memory_increase(given, rules.GPUMemoryIncrease())
    assert bool(judgement.findings) is met, "what rises before the patience is over is the training's beginning"


def test_one_high_sample_is_no_increase() -> None:
    memory = np.full(900, 50.0)
    memory[200] = 100
    given = profile(900, gpu=[90.0], gpu_memory=[memory])
    assert not rules.gpu_memory_increase(given, rules.GPUMemoryIncrease()).findings


@pytest.mark.parametrize(("share", "met"), [(49, False), (51, True)])
def test_two_gpus_may_differ_in_half_of_the_time(share: float, met: bool) -> None:
    given = profile(1000, gpu=[np.full(1000, 95.0), mostly(95, 5, 1000, share)])
    found = rules.load_balancing(given, rules.LoadBalancing()).findings
    assert bool(found) is met


def test_two_gpus_that_are_equally_busy_at_other_times_are_balanced() -> None:
    given = profile(1000, gpu=[mostly(5, 95, 1000, 50), mostly(95, 5, 1000, 50)])
    assert not rules.load_balancing(given, rules.LoadBalancing()).findings


def test_one_gpu_is_not_compared() -> None:
    assert "two GPUs" in rules.load_balancing(profile(50, gpu=[90]), rules.LoadBalancing()).details


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [(0, 69.9, "under-used"), (9.9, 70.1, "used in bursts"), (10, 70.1, ""), (80, 90, "")],
)
def test_a_gpu_is_under_used_or_used_in_bursts(low: float, high: float, kind: str) -> None:
    assert rules.utilization(low, high, rules.LowGPUUtilization()) == kind


def test_a_gpu_that_is_low_after_the_patience_is_found_with_its_node() -> None:
    given = profile(1001, gpu=[90.0, 20.0])
    (found,) = rules.low_gpu_utilization(given, rules.LowGPUUtilization()).findings
    assert found.tensor == "algo-1/gpu1"
    assert found.values["p95"] == 20
    assert found.advice.endswith(".")


@pytest.mark.parametrize(("count", "ends"), [(100, []), (101, [101]), (160, [101, 151, 160]), (151, [101, 151])])
def test_windows_begin_after_the_patience_and_end_with_the_job(count: int, ends: list[int]) -> None:
    found = windows(count, 100, 50)
    assert [window.stop for window in found] == ends
    assert all(window.stop - window.start == 50 for window in found)


def test_overall_system_usage_tells_and_never_finds() -> None:
    judgement = rules.overall_system_usage(profile(10, cpu=100.0), rules.OverallSystemUsage())
    assert not judgement.findings
    assert "processors 100/100/100 %" in judgement.details


@pytest.mark.parametrize(
    "rule", ["BatchSize", "CPUBottleneck", "GPUMemoryIncrease", "LoadBalancing", "LowGPUUtilization"]
)
def test_without_a_gpu_its_rules_find_nothing_and_say_why(rule: str) -> None:
    (verdict,) = [one for one in evaluate(profile(2000, cpu=100.0)) if one.rule == rule]
    assert (verdict.status, verdict.details) == (NO_ISSUES, "there is no GPU")


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_needs_any_sample_or_step(rule: str) -> None:
    (verdict,) = [one for one in evaluate(profile()) if one.rule == rule]
    assert verdict.status == NO_ISSUES
