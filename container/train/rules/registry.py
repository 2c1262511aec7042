"""All rules by AWS's names, and a rule made from its configuration."""

from __future__ import annotations

from typing import Any

from container.common.rules import NAMES, Configuration
from container.train.rules.all_zero import AllZero
from container.train.rules.check_input_images import CheckInputImages
from container.train.rules.class_imbalance import ClassImbalance
from container.train.rules.confusion import Confusion
from container.train.rules.dead_relu import DeadRelu
from container.train.rules.exploding_tensor import ExplodingTensor
from container.train.rules.loss_not_decreasing import LossNotDecreasing
from container.train.rules.overfit import Overfit
from container.train.rules.overtraining import Overtraining
from container.train.rules.poor_weight_initialization import PoorWeightInitialization
from container.train.rules.rule import TensorRule
from container.train.rules.saturated_activation import SaturatedActivation
from container.train.rules.similar_across_runs import SimilarAcrossRuns
from container.train.rules.stalled_training import StalledTrainingRule
from container.train.rules.tensor_variance import TensorVariance
from container.train.rules.unchanged_tensor import UnchangedTensor
from container.train.rules.vanishing_gradient import VanishingGradient
from container.train.rules.weight_update_ratio import WeightUpdateRatio

RULES: dict[str, type[TensorRule[Any]]] = {
    rule.__name__: rule
    for rule in (
        DeadRelu,
        ExplodingTensor,
        PoorWeightInitialization,
        SaturatedActivation,
        VanishingGradient,
        WeightUpdateRatio,
        AllZero,
        ClassImbalance,
        LossNotDecreasing,
        Overfit,
        Overtraining,
        SimilarAcrossRuns,
        StalledTrainingRule,
        TensorVariance,
        UnchangedTensor,
        CheckInputImages,
        Confusion,
    )
}
assert tuple(RULES) == NAMES


def make(configuration: Configuration, trial: Any) -> TensorRule[Any]:
    """The rule over ``trial``.

    Raises HyperparameterError for a parameter the rule has not, or cannot read.
    """
    return RULES[configuration.rule](trial, **configuration.parameters)
