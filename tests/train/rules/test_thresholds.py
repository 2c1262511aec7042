"""The arithmetic of each rule, on both sides of each threshold that AWS documents."""

from __future__ import annotations

import math

import numpy as np
import pytest

from container.train.rules import (
    all_zero,
    check_input_images,
    class_imbalance,
    confusion,
    dead_relu,
    exploding_tensor,
    logits,
    loss_not_decreasing,
    overfit,
    overtraining,
    poor_weight_initialization,
    saturated_activation,
    similar_across_runs,
    stalled_training,
    tensor_variance,
    unchanged_tensor,
    vanishing_gradient,
    weight_update_ratio,
)


def test_dead_relu_counts_units_active_in_less_than_one_percent() -> None:
    outputs = np.zeros((200, 4))
    outputs[:2, 0] = 1  # 1 %: alive
    outputs[:1, 1] = 1  # 0.5 %: dead
    active = dead_relu.activity(outputs)
    assert active.tolist() == [1.0, 0.5, 0.0, 0.0]
    assert dead_relu.dead_percent(active, 1.0) == 75.0


def test_dead_relu_takes_every_axis_but_the_units_together() -> None:
    maps = np.zeros((2, 3, 4, 4))
    maps[0, 1, 0, 0] = 1
    assert dead_relu.activity(maps).tolist() == [0.0, pytest.approx(100 / 32), 0.0]


@pytest.mark.parametrize(("dead", "met"), [(49.9, False), (50.0, False), (50.1, True)])
def test_dead_relu_speaks_above_half_of_the_layer(dead: float, met: bool) -> None:
    assert dead_relu.is_met(dead, 50.0) is met


@pytest.mark.parametrize(
    ("bad", "only_nan", "met"),
    [
        (0.0, False, False),
        (math.inf, False, True),
        (math.nan, False, True),
        (-math.inf, True, False),
        (math.nan, True, True),
    ],
)
def test_exploding_tensor_knows_infinities_from_nan(bad: float, only_nan: bool, met: bool) -> None:
    assert exploding_tensor.exploded(np.array([1e38, bad]), only_nan=only_nan) is met


def test_exploding_tensor_passes_whole_numbers() -> None:
    assert not exploding_tensor.exploded(np.array([2**31]), only_nan=False)


@pytest.mark.parametrize(("value", "met"), [(0.99e-7, True), (1e-7, False), (1.01e-7, False)])
def test_vanishing_gradient_is_below_a_ten_millionth(value: float, met: bool) -> None:
    assert vanishing_gradient.vanishes(value, vanishing_gradient.Parameters().threshold) is met


@pytest.mark.parametrize(
    ("change", "met"), [(9.9, False), (10.1, True), (1.1e-8, False), (0.9e-8, True), (0.0, True), (1.0, False)]
)
def test_weight_update_ratio_lies_between_its_thresholds(change: float, met: bool) -> None:
    before = np.full(100, 2.0)
    p = weight_update_ratio.Parameters()
    value = weight_update_ratio.ratio(before, before * (1 + change), p.epsilon)
    assert value == pytest.approx(change, rel=1e-3)
    assert weight_update_ratio.is_met(value, p.small_threshold, p.large_threshold) is met


def test_weight_update_ratio_does_not_divide_by_zero() -> None:
    assert weight_update_ratio.ratio(np.zeros(4), np.ones(4), 1e-9) == pytest.approx(2e9)


@pytest.mark.parametrize(("zeros", "threshold", "met"), [(99, 100, False), (100, 100, True), (50, 50, True)])
def test_all_zero_is_met_at_its_percentage(zeros: int, threshold: float, met: bool) -> None:
    values = np.ones(100)
    values[:zeros] = 0
    assert all_zero.is_met(all_zero.zero_percent(values), threshold) is met


@pytest.mark.parametrize(("largest", "met"), [(100, False), (101, True)])
def test_class_imbalance_begins_above_ten_to_one(largest: int, met: bool) -> None:
    assert class_imbalance.is_imbalanced(np.array([10, largest, 50]), 10.0) is met


def test_an_empty_class_is_as_imbalanced_as_can_be() -> None:
    assert class_imbalance.imbalance(np.array([0, 5])) == math.inf


@pytest.mark.parametrize(("wrong", "met"), [(7, False), (8, True)])
def test_class_imbalance_names_rare_classes_mispredicted_above_seventy_percent(wrong: int, met: bool) -> None:
    matrix = np.array([[90, 0], [wrong, 10 - wrong]])
    assert class_imbalance.neglected(matrix, 0.7) == ([1] if met else [])


def test_class_imbalance_leaves_a_model_alone_that_is_wrong_everywhere() -> None:
    assert class_imbalance.neglected(np.array([[10, 80], [9, 1]]), 0.7) == []


@pytest.mark.parametrize(("now", "met"), [(0.9989, True), (0.9991, False), (1.0, False)])
def test_a_loss_falls_by_a_tenth_of_a_percent(now: float, met: bool) -> None:
    assert loss_not_decreasing.falls(1.0, now, 0.1) is met


@pytest.mark.parametrize(("now", "met"), [(1.049, False), (1.051, True), (0.5, False)])
def test_a_loss_may_rise_by_five_percent(now: float, met: bool) -> None:
    assert loss_not_decreasing.rises(1.0, now, 5.0) is met


@pytest.mark.parametrize(("validation", "met"), [(1.0999, False), (1.1001, True), (0.5, False)])
def test_overfit_begins_a_tenth_above_the_training_loss(validation: float, met: bool) -> None:
    assert overfit.is_met(1.0, validation, 0.1) is met


@pytest.mark.parametrize(("validation", "risen"), [(1.0499, False), (1.0501, True), (1.0, False)])
def test_a_validation_loss_has_risen_a_twentieth_above_its_lowest(validation: float, risen: bool) -> None:
    assert overfit.has_risen(1.0, validation) is risen


def test_overfit_is_not_about_losses_near_zero() -> None:
    assert not overfit.is_met(0.001, 0.01, 0.1)


@pytest.mark.parametrize(("count", "over"), [(4, False), (5, True)])
def test_overtraining_waits_for_its_patience(count: int, over: bool) -> None:
    patience = overtraining.Patience(5, 0.01)
    for loss in [1.0, *([0.995] * count)]:
        patience.add(loss)
    assert patience.over is over


def test_overtraining_begins_anew_with_an_optimum_by_more_than_delta() -> None:
    patience = overtraining.Patience(1, 0.01)
    for loss, since in [(1.0, 0), (0.991, 1), (0.98, 0)]:
        patience.add(loss)
        assert patience.since == since


@pytest.mark.parametrize(("seconds", "met"), [(1799.9, False), (1800.0, True)])
def test_a_training_has_stalled_after_half_an_hour(seconds: float, met: bool) -> None:
    assert stalled_training.is_met(seconds, stalled_training.Parameters().threshold) is met


@pytest.mark.parametrize(("variance", "met"), [(10.0, False), (10.1, True), (1e-5, False), (0.9e-5, True)])
def test_tensor_variance_is_within_its_bounds(variance: float, met: bool) -> None:
    assert tensor_variance.outside(variance, 0.00001, 10.0) is met
    assert not tensor_variance.outside(variance, None, None)


@pytest.mark.parametrize(("change", "met"), [(0.9e-5, True), (1.1e-5, False)])
def test_unchanged_is_what_allclose_says(change: float, met: bool) -> None:
    values = [np.ones(3), np.ones(3), np.ones(3) + change]
    p = unchanged_tensor.Parameters()
    assert unchanged_tensor.unchanged(values, rtol=p.rtol, atol=p.atol, equal_nan=p.equal_nan) is met


def test_unchanged_nans_are_equal_on_request() -> None:
    values = [np.array([np.nan]), np.array([np.nan])]
    assert not unchanged_tensor.unchanged(values, rtol=1e-5, atol=1e-8, equal_nan=False)
    assert unchanged_tensor.unchanged(values, rtol=1e-5, atol=1e-8, equal_nan=True)


@pytest.mark.parametrize(("mean", "met"), [(0.2, False), (0.21, True), (-0.21, True)])
def test_an_inputs_mean_lies_within_a_fifth_of_zero(mean: float, met: bool) -> None:
    assert check_input_images.is_met(mean, 0.2) is met


@pytest.mark.parametrize(("channel", "shape"), [(1, (2, 3, 4, 5)), (3, (2, 4, 5, 3))])
def test_the_channel_is_where_it_is_said_to_be(channel: int, shape: tuple[int, ...]) -> None:
    assert check_input_images.channel_means(np.ones(shape), channel).shape == (2, 3)


@pytest.mark.parametrize(("low", "high", "saturated"), [(-9.5, 9.5, 100.0), (-9.49, 9.49, 0.0)])
def test_a_tanh_is_saturated_beyond_nine_and_a_half(low: float, high: float, saturated: float) -> None:
    p = saturated_activation.Parameters()
    inputs = np.where(np.arange(8).reshape(4, 2) % 2, high, low)
    active = saturated_activation.activity(inputs, p.threshold_tanh_min, p.threshold_tanh_max)
    assert dead_relu.dead_percent(active, p.threshold_inactivity) == saturated


@pytest.mark.parametrize(("value", "active"), [(-23.1, 0.0), (-22.9, 100.0), (16.9, 100.0), (17.1, 0.0)])
def test_a_sigmoids_ends_lie_where_they_are_documented(value: float, active: float) -> None:
    p = saturated_activation.Parameters()
    found = saturated_activation.activity(np.full((4, 1), value), p.threshold_sigmoid_min, p.threshold_sigmoid_max)
    assert found.tolist() == [active]


@pytest.mark.parametrize(("variances", "ratio"), [([1.0, 10.0, 2.0], 10.0), ([5.0], 1.0), ([0.0, 1.0], math.inf)])
def test_the_variance_ratio_is_largest_over_smallest(variances: list[float], ratio: float) -> None:
    assert poor_weight_initialization.variance_ratio(variances) == ratio


def test_the_spread_of_a_gradient_lies_between_its_5th_and_95th_percentile() -> None:
    assert poor_weight_initialization.spread(np.arange(101) / 1e5) == pytest.approx(90e-5)


@pytest.mark.parametrize(
    ("losses", "good"),
    [
        ([2.3, 2.2, 2.1, 2.0, 1.9, 1.8], True),
        ([2.3026] * 6, False),
        ([2.3, 2.4, 4, 5, 6, 7], False),
        ([50.0, 40, 30, 20, 10, 5], False),
        ([2.3, math.nan, 1, 1, 1, 1], False),
    ],
)
def test_the_first_losses_tell_whether_a_training_converges(losses: list[float], good: bool) -> None:
    assert poor_weight_initialization.converges(losses, patience=5, classes=10) is good


@pytest.mark.parametrize(("diagonal", "met"), [(90, False), (89, True)])
def test_confusion_wants_nine_in_ten_on_the_diagonal(diagonal: int, met: bool) -> None:
    matrix = np.array([[diagonal, 100 - diagonal], [0, 1000]])
    found = confusion.violations(matrix, 0.9, 0.1)
    assert ((0, 0, diagonal / 100) in found) is met


@pytest.mark.parametrize(("off", "met"), [(10, False), (11, True)])
def test_confusion_allows_one_in_ten_off_the_diagonal(off: int, met: bool) -> None:
    matrix = np.array([[1000, off], [0, 100 - off]])
    found = [pair[:2] for pair in confusion.violations(matrix, 0.0, 0.1)]
    assert found == ([(0, 1)] if met else [])


def test_runs_are_alike_as_allclose_says() -> None:
    assert similar_across_runs.alike(np.ones(3), np.ones(3) * (1 + 0.9e-5))
    assert not similar_across_runs.alike(np.ones(3), np.ones(3) * (1 + 1.2e-5))
    assert not similar_across_runs.alike(np.ones(3), np.ones(4))


def test_a_relu_on_the_logits_is_known_by_exact_zeros_and_nothing_negative() -> None:
    rng = np.random.default_rng(0)
    outputs = rng.normal(-1, 1, (16, 133))
    assert not logits.rectified(outputs)
    assert logits.rectified(np.maximum(outputs, 0))
    assert not logits.rectified(np.abs(outputs)), "positive outputs need no ReLU"
    assert not logits.rectified(np.zeros((16, 133))), "a head that begins at zero"
    assert "mostly zero" in logits.sentence(np.maximum(outputs, 0))


@pytest.mark.parametrize(("loss", "classes"), [(4.89, 133), (4.80, None), (math.log(133) * 1.02, None)])
def test_a_loss_of_guessing_is_ln_k(loss: float, classes: int | None) -> None:
    assert logits.guessing(loss, np.zeros((4, 133))) == classes
