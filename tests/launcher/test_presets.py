"""The published systems as presets: what each did, without its faults, in requests that SageMaker takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from container.common import rules
from container.common.hyperparameters import parse
from launcher import requests
from launcher.config import endpoint_config, load_preset, training_config, tuning_config
from launcher.config.run import Endpoint, RunConfig, Training, Tuning
from launcher.config.tuned import tuned_preset
from launcher.config.tuning_words import TuneWords
from launcher.config.words import DeployWords, Place, TrainWords
from launcher.kept import save_config, watching
from launcher.local import wire
from tests.launcher.test_requests import check

SYSTEMS = ("bins", "bins-benchmark", "dogs-head", "dogs-rules", "dogs-pipes", "fingers")
FIVE_RULES = {"VanishingGradient", "Overfit", "Overtraining", "PoorWeightInitialization", "LossNotDecreasing"}

# name: what the network is, its head and optimizer, what is tuned, trials and how many at once.
PUBLISHED: dict[str, tuple[dict[str, Any], set[str], tuple[int, int]]] = {
    "bins": (
        {"model": "resnet50", "freeze": "backbone", "head": (128, 256, 64), "optimizer": "adam",
         "class_weights": "balanced", "ordered_classes": True},
        {"lr 0.001 to 0.1 Logarithmic", "batch-size 16 | 32 | 64", "epochs 3 to 5"},
        (18, 6),
    ),
    "bins-benchmark": (
        {"model": "resnet50", "freeze": "none", "head": (), "optimizer": "adagrad"},
        {"lr 0.001 to 0.1 Logarithmic", "batch-size 16 | 32 | 64", "epochs 3 to 5"},
        (18, 6),
    ),
    "dogs-head": (
        {"model": "resnet50", "freeze": "backbone", "head": (256,), "optimizer": "adamw"},
        {"lr 1e-05 to 0.1 Logarithmic", "eps 1e-09 to 1e-08 Logarithmic", "weight-decay 0.001 to 0.1 Logarithmic",
         "batch-size 64 | 128"},
        (4, 2),
    ),
    "dogs-rules": (
        {"model": "resnet50", "freeze": "backbone", "head": (), "optimizer": "sgd", "debug_hook": True},
        {"lr 0.001 to 0.1 Logarithmic", "batch-size 32 | 64 | 128"},
        (4, 2),
    ),
    "dogs-pipes": (
        {"freeze": "backbone", "normalize": "dataset"},
        {"lr 0.0001 to 0.01 Logarithmic", "batch-size 32 | 64 | 128"},
        (4, 2),
    ),
    "fingers": (
        {"model": "vgg16", "freeze": "backbone", "head": (512, 64), "dropout": (0.0, 0.2, 0.5), "optimizer": "sgd",
         "grayscale": True},
        {"lr 0.001 to 0.01 Logarithmic", "batch-size 32 | 64 | 128", "epochs 2 to 5"},
        (20, 2),
    ),
}  # fmt: skip

IN_AWS = {"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/byoc:1", "role": "arn:aws:iam::123456789012:role/s"}


@pytest.fixture
def images(counts: Path) -> Path:
    return counts


def words(place: Place, images: Path) -> TrainWords:
    if place.local:
        return TrainWords(data=str(images))
    return TrainWords(data="s3://b/data", output="s3://b/out", **IN_AWS)


@pytest.fixture(params=["local", "aws"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(door=request.param, state=tmp_path / "state")


def training_of(name: str, place: Place, images: Path) -> Training:
    config = training_config(words(place, images), load_preset(name), place)
    assert config.training is not None
    return config.training


def tuning_of(name: str, place: Place, images: Path, **flags: str) -> Tuning:
    shared = words(place, images)
    asked = TuneWords(training=TrainWords(**{**vars(shared), "hyperparameters": flags}))
    config = tuning_config(asked, load_preset(name), place)
    assert config.tuning is not None
    return config.tuning


def test_every_system_is_checked_here() -> None:
    assert set(PUBLISHED) == set(SYSTEMS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_systems_requests_are_ones_that_sagemaker_takes(name: str, place: Place, images: Path) -> None:
    def taken(operation: str, request: dict[str, Any]) -> None:
        # The local door's machines are called "local", which AWS has no type for.
        wire.check("sagemaker", operation, request) if place.local else check(operation, request)

    taken("CreateTrainingJob", requests.create_training_job(training_of(name, place, images)))
    taken("CreateHyperParameterTuningJob", requests.create_hyper_parameter_tuning_job(tuning_of(name, place, images)))
    model = "s3://b/out/job/output/model.tar.gz" if not place.local else str(images)
    config = endpoint_config(
        DeployWords(name="live", model_data=model, **({} if place.local else IN_AWS)), load_preset(name), place
    )
    assert isinstance(config.endpoint, Endpoint)
    taken("CreateEndpointConfig", requests.create_endpoint_config(config.endpoint))
    taken("CreateEndpoint", requests.create_endpoint(config.endpoint))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_what_was_published(name: str, images: Path, tmp_path: Path) -> None:
    local = Place(door="local", state=tmp_path / "state")
    model, ranges, (jobs, parallel) = PUBLISHED[name]
    hyperparameters = parse(training_of(name, local, images).hyperparameters)
    assert {key: getattr(hyperparameters, key) for key in model} == model
    tuning = tuning_of(name, local, images)
    assert {str(each) for each in tuning.ranges} == ranges
    assert (tuning.jobs, tuning.parallel) == (jobs, parallel)


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_system_is_tuned_on_its_test_images(name: str, place: Place, images: Path) -> None:
    tuning = tuning_of(name, place, images)
    assert (tuning.objective, tuning.goal) == ("validation:loss", "Minimize")


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_training_is_watched_as_published_and_a_trial_only_when_asked(
    name: str, images: Path, tmp_path: Path
) -> None:
    local = Place(door="local", state=tmp_path / "state")
    hyperparameters = parse(training_of(name, local, images).hyperparameters)
    assert {one.rule for one in rules.parse(hyperparameters.rules)} >= FIVE_RULES
    assert hyperparameters.profile_interval_ms == 500
    static = tuning_of(name, local, images).training.hyperparameters
    assert not {"rules", "debug-hook"} & set(static), "the container leaves trials alone by itself"
    assert tuning_of(name, local, images, rules="Overfit").training.hyperparameters["rules"] == "Overfit"


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_trains_as_a_search_found_is_watched_as_its_preset_says(name: str, images: Path, tmp_path: Path) -> None:
    local = Place(door="local", state=tmp_path / "state")
    tuning = tuning_of(name, local, images)
    save_config(RunConfig(door="local", tuning=tuning), local.state)
    search = requests.create_hyper_parameter_tuning_job(tuning)
    kept = watching(tuning.name, local.state)
    # The values of the preset itself, so that nothing but them is to be told apart.
    own = load_preset(name).hyperparameters
    best = {"TunedHyperParameters": {each.name: own[each.name] for each in tuning.ranges}}
    assert parse(tuned_preset(search, best, kept).hyperparameters) == parse(own)
    assert not watching("begun-elsewhere", local.state)


def test_a_rule_that_a_search_was_given_wins_over_its_presets(images: Path, tmp_path: Path) -> None:
    local = Place(door="local", state=tmp_path / "state")
    tuning = tuning_of("dogs-rules", local, images, rules="none")
    recipe = tuned_preset(requests.create_hyper_parameter_tuning_job(tuning), {}, tuning.watching)
    assert (recipe.hyperparameters["rules"], recipe.hyperparameters["debug-hook"]) == ("none", "true")


def test_the_rules_of_the_dogs_have_a_hook_as_published() -> None:
    """On a regular expression for the loss, with an interval for each phase."""
    hyperparameters = parse(load_preset("dogs-rules").hyperparameters)
    assert hyperparameters.debug_hook
    assert re.fullmatch(hyperparameters.debug_include_regex, "CrossEntropyLoss_output_0")
    assert (hyperparameters.debug_save_interval, hyperparameters.debug_eval_interval) == (100, 10)


def test_the_head_of_the_dogs_is_watched_by_what_names_its_published_fault() -> None:
    """A ReLU on the logits: the loss stood at ln 133 and nobody was told."""
    named = {one.rule for one in rules.parse(load_preset("dogs-head").hyperparameters["rules"])}
    assert {"DeadRelu", "LossNotDecreasing"} <= named


@pytest.mark.parametrize("name", SYSTEMS)
def test_images_are_augmented_only_where_their_class_survives_it(name: str) -> None:
    hyperparameters = parse(load_preset(name).hyperparameters)
    if name == "fingers":
        assert hyperparameters.augment == "none", "a mirrored left hand is a right one"
    if name.startswith("bins"):
        assert hyperparameters.augment == "flip" and hyperparameters.resize == "squash", "no item may be cropped away"


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_system_leaves_cores_idle(name: str) -> None:
    """A published loader had no workers on eight cores."""
    assert parse(load_preset(name).hyperparameters).workers == "auto"


@pytest.mark.parametrize(
    ("name", "trained", "served"),
    [
        ("fingers", "ml.m5.large", "ml.t2.medium"),
        ("dogs-head", "ml.m5.xlarge", "ml.t2.medium"),
        ("bins-benchmark", "ml.g4dn.xlarge", "ml.m5.large"),
    ],
)
def test_a_systems_machines_are_the_presets(name: str, trained: str, served: str, images: Path, tmp_path: Path) -> None:
    aws = Place(door="aws", state=tmp_path / "state")
    assert training_of(name, aws, images).instance_type == trained
    deploy = DeployWords(name="live", model_data="s3://b/model.tar.gz", **IN_AWS)
    endpoint = endpoint_config(deploy, load_preset(name), aws).endpoint
    assert endpoint is not None and endpoint.instance_type == served
