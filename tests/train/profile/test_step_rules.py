"""Rules over the job's clocks, on both sides of each threshold."""

from __future__ import annotations

import numpy as np
import pytest

from container.train.profile import step_rules as rules
from container.train.profile.phases import Phase
from container.train.profile.timings import Timings
from tests.train.profile.systems import profile, steps


def decoded(workers: int, *, seconds: float = 60.0, cores: int = 10) -> Timings:
    return Timings(seconds=100.0, phases=[Phase("decode", 1.0, seconds)], workers=workers, cores=cores)


@pytest.mark.parametrize(("workers", "met"), [(6, True), (7, False), (20, False), (21, True)])
def test_decoding_threads_suit_the_cores(workers: int, met: bool) -> None:
    judgement = rules.dataloader(profile(timings=decoded(workers)), rules.Dataloader())
    assert bool(judgement.findings) is met


@pytest.mark.parametrize("seconds", [0.0, 9.0])
def test_threads_are_not_judged_where_little_was_decoded(seconds: float) -> None:
    assert not rules.dataloader(profile(timings=decoded(1, seconds=seconds)), rules.Dataloader()).findings


@pytest.mark.parametrize(("share", "met"), [(0.49, False), (0.51, True)])
def test_steps_wait_for_data_in_more_than_half_of_their_time(share: float, met: bool) -> None:
    given = steps([100.0] * 20, totals={"data": 2.0 * share, "forward": 2.0 * (1 - share)})
    judgement = rules.dataloader(profile(timings=given), rules.Dataloader())
    assert bool(judgement.findings) is met


def test_what_takes_less_than_a_millisecond_is_no_waiting() -> None:
    given = steps([1.0] * 100, totals={"data": 0.09, "forward": 0.01})
    assert not rules.dataloader(profile(timings=given), rules.Dataloader()).findings


@pytest.mark.parametrize(("gpu", "met"), [(20.0, True), (95.0, False)])
def test_data_that_wait_for_a_busy_gpu_are_not_slow(gpu: float, met: bool) -> None:
    given = profile(100, gpu=[gpu], timings=steps([100.0] * 20, totals={"data": 1.8}))
    assert bool(rules.dataloader(given, rules.Dataloader()).findings) is met


@pytest.mark.parametrize(("minutes", "met"), [(20.0, False), (20.1, True)])
@pytest.mark.parametrize("stepped", [True, False])
def test_a_first_step_comes_within_twenty_minutes(minutes: float, met: bool, stepped: bool) -> None:
    phases = [Phase("setup", 0.0, 5.0), Phase("decode", 5.0, 60 * minutes - 5)]
    given = Timings(seconds=60 * minutes, first_step=60 * minutes if stepped else None, phases=phases)
    judgement = rules.max_initialization_time(profile(timings=given), rules.MaxInitializationTime())
    assert bool(judgement.findings) is met
    if met:
        begin = "The first step came after" if stepped else "No step came within"
        assert judgement.findings[0].advice.startswith(f"{begin} 20 minutes, most of them in decode: ")


@pytest.mark.parametrize(("slow", "met"), [(10, False), (11, True)])
def test_ten_outliers_are_let_pass(slow: int, met: bool) -> None:
    durations = np.full(50 * slow, 10.0)
    durations[49::50] = 100.0
    durations[0] = 5000.0  # what the first step takes hides nothing
    judgement = rules.step_outlier(profile(timings=steps(list(durations))), rules.StepOutlier())
    assert bool(judgement.findings) is met
    if met:
        (found,) = judgement.findings
        assert (found.step, found.values["outliers"]) == (49, slow)
        assert "every 50 steps" in found.advice


def test_a_single_outlier_is_told_where_none_is_let_pass() -> None:
    durations = [10.0] * 100
    durations[60] = 900.0
    (found,) = rules.step_outlier(profile(timings=steps(durations)), rules.StepOutlier(n_outliers=0)).findings
    assert found.step == 60 and "look for what happens then (saving" in found.advice


@pytest.mark.parametrize(("duration", "met"), [(5.9, False), (6.1, True)])
def test_an_outlier_is_longer_than_five_standard_deviations(duration: float, met: bool) -> None:
    # The others' mean is 1 and their deviation 1; one more value of so many changes neither much.
    others = np.tile([0.0, 2.0], 50_000)
    assert (len(rules.outliers(np.append(others, duration), rules.StepOutlier().stddev)) == 1) is met


def test_a_long_training_with_ordinary_tails_has_no_outliers_worth_telling() -> None:
    durations = np.random.default_rng(0).lognormal(0, 0.4, 20_000)
    assert len(rules.outliers(durations, 5.0)) > rules.StepOutlier().n_outliers
    assert not rules.step_outlier(profile(timings=steps(list(durations))), rules.StepOutlier()).findings


def test_only_training_steps_are_timed() -> None:
    given = steps([1.0] * 100)
    assert rules.step_outlier(profile(timings=given), rules.StepOutlier(mode="EVAL")) == rules.NO_STEPS


def test_a_training_of_a_few_steps_is_told_as_such() -> None:
    judgement = rules.step_outlier(profile(timings=steps([1.0] * 10)), rules.StepOutlier())
    assert (len(judgement.findings), judgement.details) == (0, "too few steps were timed: the first 10 do not count")


def test_overall_framework_metrics_tells_and_never_finds() -> None:
    given = steps([10.0] * 10, totals={"data": 0.09}, phases=[Phase("train", 0.0, 0.1)])
    judgement = rules.overall_framework_metrics(profile(timings=given), rules.OverallFrameworkMetrics())
    assert not judgement.findings
    assert judgement.details == "of the job: train 100 %; of a step: data 90 %"
