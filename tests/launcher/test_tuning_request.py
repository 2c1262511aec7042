"""The request of a search: one that SageMaker takes, and the very one that AWS's own Python SDK sends for it.

The SDK (v2, HyperparameterTuner) builds its request here and now; a client in boto3's place catches it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from container.common.metrics import metric_definitions
from launcher import requests
from launcher.config import Training, Tuning
from launcher.config.ranges import Range, read_range
from tests.launcher import sdk
from tests.launcher.test_requests import check, in_aws

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's imports warn of much

LR = read_range("lr", "0.001:0.1:Logarithmic")
DECAY = read_range("weight-decay", "1e-9:0.5")
MOMENTUM = read_range("momentum", "0.5:0.99:ReverseLogarithmic")
EPOCHS = read_range("epochs", "3:5")
BATCH = read_range("batch-size", "16:128:Logarithmic")
OPTIMIZER = read_range("optimizer", "sgd,adamw")
HEAD = read_range("head", "512,64;256")

SEARCHES: dict[str, dict[str, Any]] = {
    "continuous": {"ranges": (LR, DECAY, MOMENTUM), "jobs": 18, "parallel": 6},
    "integer": {"ranges": (EPOCHS, BATCH), "jobs": 4},
    "categorical": {"ranges": (OPTIMIZER, HEAD), "jobs": 4},
    "all kinds": {"ranges": (LR, EPOCHS, OPTIMIZER), "jobs": 4, "random_seed": 7},
    "random": {"ranges": (LR,), "strategy": "Random", "jobs": 4, "max_search_runtime": 3600},
    "grid": {"ranges": (OPTIMIZER, HEAD), "strategy": "Grid"},
    "hyperband": {"ranges": (LR,), "strategy": "Hyperband", "jobs": 9, "min_resource": 1, "max_resource": 27},
    "maximize": {"ranges": (LR,), "objective": "validation:accuracy", "goal": "Maximize", "jobs": 4},
    "early stopping": {"ranges": (LR,), "jobs": 4, "early_stopping": "Auto"},
    "the same data": {"ranges": (LR,), "jobs": 4, "warm_start": ("one",)},
    "transfer": {"ranges": (LR,), "jobs": 4, "warm_start": ("two", "one"), "warm_start_type": "TransferLearning"},
    "target": {"ranges": (LR,), "jobs": 4, "target": 0.25},
    "patience": {"ranges": (LR,), "jobs": 4, "patience_jobs": 3},
    "converged": {"ranges": (LR,), "jobs": 4, "until_converged": True},
    "all criteria": {"ranges": (LR,), "jobs": 4, "target": 0.25, "patience_jobs": 3, "until_converged": True},
}


def a_search(changes: dict[str, Any], **training: Any) -> Tuning:
    shared = {"name": "search", "hyperparameters": {"model": "resnet18", "freeze": "none"}, **training}
    return Tuning(training=in_aws(**shared), **changes)


@pytest.fixture
def catcher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> sdk.Catcher:
    sdk.quiet(monkeypatch, tmp_path)
    return sdk.Catcher()


def theirs(tuning: Tuning, catcher: sdk.Catcher) -> dict[str, Any]:
    """The request that the SDK sends for the same search."""
    from sagemaker import tuner
    from sagemaker.inputs import TrainingInput

    training: Training = tuning.training
    estimator = sdk.estimator(
        training, catcher,
        tags=[requests.training.PROJECT_TAG],
    )  # fmt: skip
    hyperband = tuning.max_resource and tuner.HyperbandStrategyConfig(tuning.max_resource, tuning.min_resource)
    completion = tuner.TuningJobCompletionCriteriaConfig(
        max_number_of_training_jobs_not_improving=tuning.patience_jobs,
        complete_on_convergence=tuning.until_converged or None, target_objective_metric_value=tuning.target,
    )  # fmt: skip
    asked = tuner.HyperparameterTuner(
        estimator, tuning.objective, {each.name: _theirs(each) for each in tuning.ranges},
        metric_definitions=metric_definitions(), strategy=tuning.strategy, objective_type=tuning.goal,
        max_jobs=tuning.jobs, max_parallel_jobs=tuning.parallel, max_runtime_in_seconds=tuning.max_search_runtime,
        early_stopping_type=tuning.early_stopping, random_seed=tuning.random_seed,
        strategy_config=tuner.StrategyConfig(hyperband) if hyperband else None,
        completion_criteria_config=completion if completion.to_input_req() else None,
        warm_start_config=tuner.WarmStartConfig(tuner.WarmStartTypes(tuning.warm_start_type), set(tuning.warm_start))
        if tuning.warm_start else None,
    )  # fmt: skip
    channels = {name: TrainingInput(uri, input_mode="File") for name, uri in training.channels.items()}
    asked.fit(channels, job_name=tuning.name, wait=False, include_cls_metadata=False)
    return catcher.caught["create_hyper_parameter_tuning_job"]


def _theirs(each: Range) -> Any:
    from sagemaker import parameter

    if each.name in ("optimizer", "head"):
        return parameter.CategoricalParameter(list(each.values))  # type: ignore[union-attr]
    assert not hasattr(each, "values")
    if each.name in ("epochs", "batch-size"):
        return parameter.IntegerParameter(int(each.minimum), int(each.maximum), each.scaling)
    return parameter.ContinuousParameter(float(each.minimum), float(each.maximum), each.scaling)


def without_extras(request: dict[str, Any]) -> dict[str, Any]:
    """A request without what only the SDK says, and in one order where order means nothing."""
    limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    # For Grid the SDK says None, which boto3 itself refuses: AWS counts the combinations.
    if limits.get("MaxNumberOfTrainingJobs", 0) is None:
        del limits["MaxNumberOfTrainingJobs"]
    # Parents are a set there.
    request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", []).sort(
        key=lambda each: list(each.values())
    )
    return request


@pytest.mark.parametrize("changes", SEARCHES.values(), ids=SEARCHES)
def test_the_request_is_the_one_that_awss_own_sdk_sends(changes: dict[str, Any], catcher: sdk.Catcher) -> None:
    tuning = a_search(changes)
    ours = without_extras(requests.create_hyper_parameter_tuning_job(tuning))
    assert ours == without_extras(theirs(tuning, catcher))


def test_it_is_also_without_checkpoints_and_environment_and_with_several_machines(catcher: sdk.Catcher) -> None:
    tuning = a_search(SEARCHES["all kinds"], checkpoints=None, environment={}, instance_count=2, volume_gb=80)
    assert requests.create_hyper_parameter_tuning_job(tuning) == theirs(tuning, catcher)


@pytest.mark.parametrize("changes", SEARCHES.values(), ids=SEARCHES)
def test_the_request_is_one_that_sagemaker_takes(changes: dict[str, Any]) -> None:
    check("CreateHyperParameterTuningJob", requests.create_hyper_parameter_tuning_job(a_search(changes)))


def test_a_trial_is_defined_as_a_training_job_is() -> None:
    tuning = a_search(SEARCHES["continuous"])
    definition = requests.create_hyper_parameter_tuning_job(tuning)["TrainingJobDefinition"]
    job = requests.create_training_job(tuning.training)
    assert definition.pop("StaticHyperParameters") == job.pop("HyperParameters")
    assert definition.pop("HyperParameterTuningResourceConfig") == job.pop("ResourceConfig")
    assert definition == {key: value for key, value in job.items() if key not in ("TrainingJobName", "Tags")}
