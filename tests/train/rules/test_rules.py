"""Each rule over a folder that smdebug's own writer wrote: what meets its condition, and what does not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from container.common.errors import HyperparameterError
from container.common.rules import NAMES, Configuration
from container.train.rules.registry import RULES, make
from tests.train.rules.recordings import Recording, loss

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

RNG = np.random.default_rng(0)


def texts(rule: Any) -> str:
    return " ".join(one.advice for one in rule.findings)


def test_every_rule_has_awss_name_and_a_source_for_its_defaults() -> None:
    import sys

    assert tuple(RULES) == NAMES
    for rule in RULES.values():
        assert "List of Debugger built-in rules" in str(sys.modules[rule.__module__].__doc__), rule


def test_an_unknown_parameter_names_the_nearest(recording: Recording) -> None:
    with pytest.raises(HyperparameterError, match=r"VanishingGradient has no parameter 'treshold'\. Did you mean 'thr"):
        recording.evaluate("VanishingGradient", treshold="1")


@pytest.mark.parametrize(
    ("rule", "parameters", "expected"),
    [("Overfit", {"patience": "often"}, "a whole number"), ("ExplodingTensor", {"only_nan": "7"}, "true or false")],
)
def test_a_parameter_that_cannot_be_read_is_one_sentence(
    recording: Recording, rule: str, parameters: dict[str, str], expected: str
) -> None:
    with pytest.raises(HyperparameterError, match=expected):
        recording.evaluate(rule, **parameters)


def test_parameters_are_read_from_sagemakers_strings(recording: Recording) -> None:
    recording.step(a=np.ones(1))
    rule = recording.evaluate("AllZero", rule_to_invoke="AllZero", threshold="50", tensor_regex="a.*, b")
    assert (rule.parameters.threshold, rule.parameters.tensor_regex) == (50.0, ("a.*", "b"))


def test_smdebugs_own_invoker_runs_our_rules(recording: Recording) -> None:
    from smdebug.exceptions import RuleEvaluationConditionMet
    from smdebug.rules import invoke_rule
    from smdebug.trials import create_trial

    recording.step(gradient__Net_weight=np.ones(3))
    recording.step(gradient__Net_weight=np.full(3, 1e-9))
    recording.end()
    rule = make(Configuration("VanishingGradient"), create_trial(str(recording.folder)))
    with pytest.raises(RuleEvaluationConditionMet):
        invoke_rule(rule, raise_eval_cond=True)
    assert [one.step for one in rule.findings] == [1]


def test_dead_relu_judges_a_layer_over_three_steps(recording: Recording) -> None:
    for _ in range(3):
        recording.step(net__relu1_output_0=np.zeros((8, 4)), relu_output_0=RNG.normal(size=(8, 4)))
    rule = recording.evaluate("DeadRelu")
    assert [(one.step, one.tensor) for one in rule.findings] == [(2, "net/relu1_output_0")]
    assert rule.findings[0].values["dead_percent"] == 100.0


def test_dead_relu_reads_the_activity_our_hook_saves(recording: Recording) -> None:
    for _ in range(3):
        recording.step(features_1_relu_activity=np.array([0.0, 0.5, 0.9, 30.0]))
    assert recording.evaluate("DeadRelu").findings[0].values["dead_percent"] == 75.0


@pytest.mark.parametrize("rule", ["DeadRelu", "LossNotDecreasing", "AllZero"])
def test_a_relu_on_the_logits_is_named(recording: Recording, rule: str) -> None:
    for _ in range(10):
        recording.step(CrossEntropyLoss_input_0=np.zeros((16, 133)), **loss(math.log(133)))
    found = recording.evaluate(rule)
    assert "a ReLU stands on the logits" in texts(found), texts(found)


def test_a_relu_on_the_logits_is_named_at_the_first_step(recording: Recording) -> None:
    recording.step(CrossEntropyLoss_input_0=np.maximum(RNG.normal(size=(16, 133)), 0))
    (found,) = recording.evaluate("DeadRelu").findings
    assert found.step == 0 and found.tensor == "CrossEntropyLoss_input_0"
    assert found.advice.startswith("The network's outputs are never negative and")


def test_exploding_tensor_finds_infinity_in_values_and_in_reductions(recording: Recording) -> None:
    recording.step(a=np.array([1.0, np.inf]), reductions={("b", "mean", False): math.nan, ("c", "mean", False): 1.0})
    found = recording.evaluate("ExplodingTensor").findings
    assert {one.tensor: one.values["found"] for one in found} == {"a": "inf", "b": "NaN"}


def test_vanishing_gradient_passes_biases_and_what_is_learnt(recording: Recording) -> None:
    recording.step(gradient__a_bias=np.zeros(3), gradient__a_weight=np.ones(3), **loss(2.0))
    recording.step(gradient__a_weight=np.zeros(3), **loss(0.09))
    assert recording.evaluate("VanishingGradient").findings == []
    recording.step(reductions={("gradient/a_weight", "mean", True): 1e-9}, **loss(2.0))
    assert recording.evaluate("VanishingGradient").findings[0].tensor == "gradient/a_weight"


def test_weight_update_ratio_compares_steps_that_are_num_steps_apart(recording: Recording) -> None:
    for size in (1.0, 2.0, 12.5):
        recording.step(Net_weight=np.full(4, size))
    assert recording.evaluate("WeightUpdateRatio").findings == []
    rule = recording.evaluate("WeightUpdateRatio", num_steps="2")
    assert rule.findings[0].values == {"ratio": pytest.approx(11.5), "compared_with_step": 0}


def test_weights_that_do_not_train_are_not_looked_at(recording: Recording) -> None:
    for _ in range(3):
        recording.step(Net_weight=np.ones(4), Frozen_weight=np.ones(4), gradient__Net_weight=np.ones(4))
    for rule in ("UnchangedTensor", "WeightUpdateRatio"):
        assert [one.tensor for one in recording.evaluate(rule).findings] == ["Net_weight"]


def test_unchanged_tensor_looks_at_training_only(recording: Recording) -> None:
    for index in range(4):
        recording.step(Net_weight=np.full(4, float(index)))
        recording.step("EVAL", Net_weight=np.full(4, float(index)))
    assert recording.evaluate("UnchangedTensor").findings == []


def test_all_zero_reads_reductions(recording: Recording) -> None:
    recording.step(reductions={("gradient/a_weight", "max", True): 0.0, ("gradient/b_weight", "max", True): 1.0})
    assert [one.tensor for one in recording.evaluate("AllZero").findings] == ["gradient/a_weight"]


def test_class_imbalance_takes_class_weights_into_account(recording: Recording) -> None:
    recording.step(class_counts=np.array([950, 50]), class_weights=np.array([1.0, 1.0]))
    assert recording.evaluate("ClassImbalance").findings[0].values["ratio"] == 19.0
    balanced = Recording(recording.folder.with_name("balanced"))
    balanced.step(class_counts=np.array([950, 50]), class_weights=np.array([0.5, 9.5]))
    assert balanced.evaluate("ClassImbalance").findings == []


@pytest.mark.parametrize(("steps", "met"), [(4, False), (5, True)])
def test_class_imbalance_waits_for_its_samples(recording: Recording, steps: int, met: bool) -> None:
    for _ in range(steps):
        recording.step(labels=np.array([0] * 95 + [1] * 5))
    assert bool(recording.evaluate("ClassImbalance").findings) is met


def test_class_imbalance_names_the_neglected_class(recording: Recording) -> None:
    labels = np.array([0] * 90 + [1] * 10)
    for _ in range(5):
        recording.step("EVAL", labels=labels, predictions=np.zeros(100, int))
    assert [one.values["class_index"] for one in recording.evaluate("ClassImbalance").findings] == [1]


def learning(recording: Recording, losses: list[float], *, classes: int = 10, begun: int = 0) -> None:
    """Steps of training, from the one after ``begun``."""
    for index, value in enumerate(losses):
        skip = 0 if index else begun
        recording.step(CrossEntropyLoss_input_0=RNG.normal(size=(8, classes)), skip=skip, **loss(value))


def test_a_loss_that_stays_where_it_began_is_told(recording: Recording) -> None:
    learning(recording, [5.0 + 0.2 * RNG.normal() + 0.001 * index for index in range(90)])
    assert "has not fallen" in texts(recording.evaluate("LossNotDecreasing"))


def test_a_loss_that_rises_is_told(recording: Recording) -> None:
    learning(recording, [2.3] * 5 + [2.2] * 5 + [9.0] * 20)
    assert "has risen from 2.25 to 9" in texts(recording.evaluate("LossNotDecreasing"))


def test_a_loss_that_has_fallen_may_stay_down(recording: Recording) -> None:
    learning(recording, [0.2 + 2 * math.exp(-index / 10) + 0.05 * RNG.normal() for index in range(150)])
    assert recording.evaluate("LossNotDecreasing").findings == []


@pytest.mark.parametrize(("begun", "met"), [(0, True), (250, False)])
@pytest.mark.parametrize("losses", [[0.1] * 10 + [0.2] * 20, [0.2] * 90])
def test_a_resumed_jobs_first_losses_are_not_where_it_began(
    recording: Recording, losses: list[float], begun: int, met: bool
) -> None:
    learning(recording, losses, begun=begun)
    assert bool(recording.evaluate("LossNotDecreasing").findings) is met


def test_a_resumed_job_that_guesses_is_told(recording: Recording) -> None:
    learning(recording, [math.log(10) + 0.004 * (-1) ** index for index in range(90)], begun=250)
    assert "has not fallen" in texts(recording.evaluate("LossNotDecreasing"))


def rounds(recording: Recording, losses: list[tuple[float, float]]) -> None:
    for training, validation in losses:
        for _ in range(5):
            recording.step(**loss(training))
        recording.step("EVAL", **loss(validation))


@pytest.mark.parametrize(("patience", "met"), [("0", True), ("1", True), ("2", False)])
def test_overfit_waits_for_its_patience(recording: Recording, patience: str, met: bool) -> None:
    rounds(recording, [(2.0, 2.1), (1.0, 1.5), (0.8, 1.6), (0.5, 1.7)])
    rule = recording.evaluate("Overfit", patience=patience)
    assert bool(rule.findings) is met


def test_overfit_begins_at_its_start_step(recording: Recording) -> None:
    rounds(recording, [(1.0, 1.0), (1.0, 1.5), (1.0, 1.6), (1.0, 1.0)])
    assert recording.evaluate("Overfit", start_step="10").findings == []
    assert recording.evaluate("Overfit").findings


def test_overfit_does_not_speak_of_a_validation_loss_that_has_come_to_rest(recording: Recording) -> None:
    validation = [0.54, 0.43, 0.365, 0.342, 0.337, 0.333, 0.345, 0.332, 0.34, 0.336]
    training = [0.81, 0.43, 0.29, 0.25, 0.21, 0.19, 0.18, 0.17, 0.1, 0.05]
    rounds(recording, list(zip(training, validation, strict=True)))
    assert recording.evaluate("Overfit").findings == []


def test_overfit_does_not_speak_of_a_training_that_diverges(recording: Recording) -> None:
    diverging = [(2.6, 2.7), (6.0, 80.0), (18.5, 2115.0), (40.0, 7.5e8), (90.0, 1e9)]
    rounds(recording, diverging)
    assert recording.evaluate("Overfit").findings == []


def test_overfit_does_not_speak_of_a_single_bad_evaluation(recording: Recording) -> None:
    rounds(recording, [(1.0, 1.1), (0.6, 0.7), (0.4, 1.5), (0.3, 0.5), (0.2, 0.9), (0.1, 0.5)])
    assert recording.evaluate("Overfit").findings == []


def test_overtraining_wants_both_losses_to_stand(recording: Recording) -> None:
    rounds(recording, [(1.0, 1.0)] * 12)
    assert recording.evaluate("Overtraining").findings[0].values["evaluations_since"] == 10
    falling = Recording(recording.folder.with_name("falling"))
    rounds(falling, [(3.0 - 0.1 * index, 1.0) for index in range(12)])
    assert falling.evaluate("Overtraining", patience_train="6").findings == []


def test_similar_runs_are_told_after_their_first_step(recording: Recording, tmp_path: Path) -> None:
    other = Recording(tmp_path / "other")
    for own, others in [(2.0, 2.0), (1.5, 1.6), (1.0, 1.1)]:
        recording.step(**loss(own))
        other.step(**loss(others))
    other.end()
    assert recording.evaluate("SimilarAcrossRuns", other_trials=str(other.folder)).findings == []
    assert recording.evaluate("SimilarAcrossRuns", other_trials=str(recording.folder)).findings[0].step == 1


def test_a_run_that_is_shorter_and_has_not_said_its_end_is_compared_as_far_as_it_goes(
    recording: Recording, tmp_path: Path
) -> None:
    other = Recording(tmp_path / "other")
    for _ in range(6):
        recording.step(**loss(RNG.normal()))
    for _ in range(3):
        other.step(**loss(RNG.normal()))
    assert recording.evaluate("SimilarAcrossRuns", other_trials=str(other.folder)).findings == []


@pytest.mark.parametrize("other", ["", "/nowhere"])
def test_similar_across_runs_needs_another_run(recording: Recording, other: str) -> None:
    with pytest.raises(HyperparameterError, match="SimilarAcrossRuns"):
        recording.evaluate("SimilarAcrossRuns", other_trials=other)


def test_stalled_training_speaks_while_it_waits(recording: Recording) -> None:
    recording.step(**loss(1.0))
    rule = recording.evaluate("StalledTrainingRule", threshold="5")
    assert not rule.note(rule.wait(4.9))
    assert rule.note(rule.wait(5.0))
    assert "No tensor has come for 5 seconds" in texts(rule)


def test_tensor_variance_needs_a_bound(recording: Recording) -> None:
    recording.step(Net_weight=RNG.normal(scale=5, size=1000))
    assert recording.evaluate("TensorVariance").findings == []
    assert recording.evaluate("TensorVariance", max_threshold="10").findings[0].tensor == "Net_weight"
    assert recording.evaluate("TensorVariance", max_threshold="100").findings == []


def test_input_images_are_judged_once_there_are_enough(recording: Recording) -> None:
    for _ in range(4):
        recording.step(normalize_output_0=np.full((100, 3, 2, 2), 0.45))
    assert recording.evaluate("CheckInputImages").findings == []
    recording.step(normalize_output_0=np.full((100, 3, 2, 2), 0.45))
    (found,) = recording.evaluate("CheckInputImages").findings
    assert found.values["mean"] == found.values["mean_of_channel_2"] == pytest.approx(0.45)


def test_channels_on_both_sides_of_zero_are_normalized(recording: Recording) -> None:
    recording.step(image_means=np.tile([0.25, 0.1, -0.25], (10, 1)), image_stds=np.ones((10, 3)))
    assert recording.evaluate("CheckInputImages").findings == []


def test_constant_images_are_told(recording: Recording) -> None:
    recording.step(image_means=np.zeros((10, 3)), image_stds=np.zeros((10, 3)))
    assert "a single colour" in texts(recording.evaluate("CheckInputImages"))


def test_saturated_activations_are_told(recording: Recording) -> None:
    recording.step(block__sigmoid_input_0=np.full((4, 6), 40.0), block__tanh_input_0=np.zeros((4, 6)))
    assert [one.tensor for one in recording.evaluate("SaturatedActivation").findings] == ["block/sigmoid_input_0"]


def test_weights_that_are_all_alike_are_poorly_initialized(recording: Recording) -> None:
    recording.step(a_weight=np.full((3, 3), 0.5), norm_weight=np.ones(3), b_weight=np.eye(3), **loss(1.0))
    assert [one.tensor for one in recording.evaluate("PoorWeightInitialization").findings] == ["a_weight"]


@pytest.mark.parametrize(
    ("losses", "begun", "met"),
    [([2.3] * 10, 0, True), ([2.3 - 0.1 * i for i in range(10)], 0, False), ([2.3] * 10, 250, False)],
)
def test_poor_initialization_is_a_bad_scale_and_a_loss_that_does_not_converge(
    recording: Recording, losses: list[float], begun: int, met: bool
) -> None:
    for index, value in enumerate(losses):
        recording.step(
            relu1_input_0=RNG.normal(size=(8, 8)),
            relu2_input_0=0.01 * RNG.normal(size=(8, 8)),
            skip=0 if index else begun,
            **loss(value),
        )
    assert bool(recording.evaluate("PoorWeightInitialization").findings) is met


@pytest.mark.parametrize(("size", "met"), [(0.0002, True), (0.0003, False)])
def test_a_gradients_range_is_estimated_from_its_mean(recording: Recording, size: float, met: bool) -> None:
    for _ in range(10):
        recording.step(reductions={("gradient/a_weight", "mean", True): size}, **loss(2.3))
    assert bool(recording.evaluate("PoorWeightInitialization").findings) is met


def test_confusion_is_judged_on_the_last_evaluation(recording: Recording) -> None:
    labels = np.arange(100) % 2
    recording.step("EVAL", labels=labels, predictions=1 - labels)
    recording.step(**loss(1.0))
    recording.step("EVAL", labels=labels, predictions=labels)
    assert recording.evaluate("Confusion").findings == []
    recording.step(**loss(1.0))
    recording.step("EVAL", labels=labels, predictions=0 * labels)
    assert "class 1 are recognized" in texts(recording.evaluate("Confusion"))
