"""Words and presets become one frozen configuration, or one sentence."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from container.common.hyperparameters import parse
from launcher.config import RunConfig, endpoint_config, load_preset, preset_names, training_config
from launcher.config.presets import Preset
from launcher.config.words import DeployWords, Place, TrainWords, endpoint_name, fresh_name
from launcher.errors import ConfigError, NotFound, UnusableData
from launcher.local.uris import to_path, to_uri
from tests.train.recipes import DEMO

AWS = Place(door="aws")
ROLE = "arn:aws:iam::123456789012:role/sage"


@pytest.fixture
def local(tmp_path: Path) -> Place:
    return Place(door="local", state=tmp_path / "state")


def preset_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_read_and_its_hyperparameters_used(name: str) -> None:
    preset = load_preset(name)
    assert preset.description
    parse(preset.hyperparameters)


def test_a_mistyped_preset_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown key 'hyperparameter' in .* Did you mean 'hyperparameters'"):
        load_preset(preset_file(tmp_path, "hyperparameter: {lr: 1}"))
    with pytest.raises(ConfigError, match=r"training.* Did you mean 'max-runtime'"):
        load_preset(preset_file(tmp_path, "training: {max-run-time: 5}"))


@pytest.mark.parametrize("text", ["", "- a list", "a: [unclosed", "training: 5", "training: {max-runtime: soon}"])
def test_a_broken_preset_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_preset(preset_file(tmp_path, text))


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(NotFound, match="Did you mean 'demo'"):
        load_preset("dmeo")


def test_yaml_values_become_the_strings_sagemaker_sends(tmp_path: Path) -> None:
    preset = load_preset(
        preset_file(tmp_path, "hyperparameters: {grayscale: true, head: [512, 64], lr: 1.0e-3, class-weights: {a: 2}}")
    )
    assert preset.hyperparameters == {"grayscale": "true", "head": "512,64", "lr": "0.001", "class-weights": '{"a": 2}'}


def test_flags_win_over_the_preset(tmp_path: Path, local: Place, images: Path) -> None:
    preset = load_preset(preset_file(tmp_path, "hyperparameters: {lr: 1, epochs: 2}\ntraining: {max-runtime: 60}"))
    words = TrainWords(data=str(images), hyperparameters={"lr": "0.5"}, max_runtime=30)
    training = training_config(words, preset, local).training
    assert training is not None
    assert training.hyperparameters == {"lr": "0.5", "epochs": "2"} and training.max_runtime == 30


@pytest.mark.parametrize(("in_preset", "flag"), [("batch_size", "batch-size"), ("batch-size", "batch_size")])
def test_a_flag_wins_however_it_and_the_preset_spell_it(
    in_preset: str, flag: str, tmp_path: Path, local: Place, images: Path
) -> None:
    preset = load_preset(preset_file(tmp_path, f"hyperparameters: {{{in_preset}: 16}}"))
    training = training_config(TrainWords(data=str(images), hyperparameters={flag: "8"}), preset, local).training
    assert training is not None and training.hyperparameters == {"batch-size": "8"}


@pytest.mark.parametrize("folder", ["with space", "über", "100%#?", os.fsdecode(b"latin-\xe9")])
def test_any_folders_name_survives_the_uri(folder: str, tmp_path: Path, local: Place) -> None:
    place = tmp_path / folder
    for label in ("ant", "bee"):
        (place / label).mkdir(parents=True)
    assert to_path(to_uri(place)) == place
    for written in (str(place), to_uri(place)):
        training = training_config(TrainWords(data=written), Preset(), local).training
        assert training is not None and to_path(training.channels["train"]) == place


def test_a_folder_of_splits_becomes_a_channel_each(tmp_path: Path, local: Place) -> None:
    for split in ("train", "valid", "test"):
        for label in ("ant", "bee"):
            (tmp_path / "set" / split / label).mkdir(parents=True)
    training = training_config(TrainWords(data=str(tmp_path / "set")), Preset(), local).training
    assert training is not None
    assert training.channels == {
        "train": to_uri(tmp_path / "set/train"),
        "validation": to_uri(tmp_path / "set/valid"),
        "test": to_uri(tmp_path / "set/test"),
    }


def test_a_folder_of_classes_is_the_train_channel(local: Place, images: Path) -> None:
    training = training_config(TrainWords(data=str(images)), Preset(), local).training
    assert training is not None and training.channels == {"train": to_uri(images)}


def test_a_job_keeps_its_checkpoints_beside_its_output_unless_told(local: Place, images: Path) -> None:
    training = training_config(TrainWords(data=str(images), name="j"), Preset(), local).training
    assert training is not None and training.checkpoints == f"{training.output}/j/checkpoints"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (TrainWords(), "No training images are given; add --data"),
        (TrainWords(data="/nowhere"), "--data /nowhere is no folder"),
        (TrainWords(data="s3://bucket/x"), "the local door reads folders"),
        (TrainWords(data=".", hyperparameters={"learning_rate": "1"}), "Did you mean 'lr'"),
        (TrainWords(data=".", hyperparameters={"lr": "fast"}), "'lr' cannot be 'fast'"),
        (TrainWords(data=".", hyperparameters={"weights": "channel"}), "--channel weights=FILE"),
        (TrainWords(data=".", channels={"weights": "/nowhere.pth"}), "weights is /nowhere.pth, which does not exist"),
        (TrainWords(data=".", name="no_underscores"), "name: 'no_underscores' is no name; a name is up to 63 letters"),
        (TrainWords(data=".", channels={"weights": "docs"}), r"docs, where there is no file of weights \(.pt, .pth, "),
        (TrainWords(data=".", channels={"weights": ""}), "--channel weights is given without a place"),
        (TrainWords(data=".", channels={"../x": "."}), "'../x' is no channel's name"),
    ],
)
def test_a_fault_is_found_before_anything_starts(words: TrainWords, sentence: str, local: Place) -> None:
    with pytest.raises(ConfigError, match=sentence):
        training_config(words, Preset(), local)


def test_a_folder_without_classes_is_found_before_anything_starts(tmp_path: Path, local: Place, images: Path) -> None:
    (tmp_path / "set/train/train/ant").mkdir(parents=True)
    for folder, sentence in ((tmp_path / "set", "one class only"), (images / "bee", "no class folders")):
        for words in (TrainWords(data=str(folder)), TrainWords(channels={"training": str(folder)})):
            with pytest.raises(UnusableData, match=sentence):
                training_config(words, Preset(), local)
    own = TrainWords(data=str(images / "bee"), image="mine:1")
    assert training_config(own, Preset(), local).training is not None, "another image may take other data"
    ordered = TrainWords(data=str(images), hyperparameters={"ordered-classes": "true"})
    with pytest.raises(ConfigError, match="the class 'ant' is no number"):
        training_config(ordered, Preset(), local)


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("data", "add --data FOLDER"),
        ("output", "--output is missing: give s3://"),
        ("image", "--image is missing"),
        ("role", "--role is missing"),
        ("instance_type", "--instance-type is missing"),
    ],
)
def test_aws_names_each_thing_it_misses_with_its_remedy(missing: str, sentence: str) -> None:
    whole = {"data": "s3://b/data", "output": "s3://b/out", "image": "1.dkr.ecr/x", "role": ROLE,
             "instance_type": "ml.m5.xlarge"}  # fmt: skip
    assert training_config(TrainWords(**whole), Preset(), AWS).training is not None  # type: ignore[arg-type]
    words = TrainWords(**{**whole, missing: None})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=sentence):
        training_config(words, Preset(), AWS)


def test_ec2s_name_of_an_instance_type_is_not_taken_for_sagemakers() -> None:
    words = TrainWords(data="s3://b/d", output="s3://b/o", image="1.dkr.ecr/x", role=ROLE, instance_type="g5.xlarge")
    with pytest.raises(ConfigError, match=r"'g5\.xlarge', and SageMaker's are of the form ml\.g5\.xlarge"):
        training_config(words, Preset(), AWS)


def test_aws_does_not_take_a_folder_of_this_machine(images: Path) -> None:
    with pytest.raises(ConfigError, match=rf"launch\.py data push {images}"):
        training_config(TrainWords(data=str(images)), Preset(), AWS)
    with pytest.raises(ConfigError, match=r"--output is photos, and AWS reads s3:// addresses; give one, s3://BUCKET"):
        training_config(TrainWords(data="s3://b/d", output="photos"), Preset(), AWS)


def test_the_configuration_is_frozen_and_knows_its_fields() -> None:
    with pytest.raises(ValidationError):
        RunConfig(door="local", colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        RunConfig(door="local").preset = "x"  # type: ignore[misc]


def test_an_endpoint_of_a_local_gpu_uses_the_gpu_image(local: Place) -> None:
    config = endpoint_config(DeployWords(name="e", model_data="m.tar.gz"), Preset(), Place(door="local", gpu=True))
    assert config.endpoint is not None
    assert (config.endpoint.instance_type, config.endpoint.image) == ("local_gpu", "byoc-serve-gpu")


def test_fresh_names_are_valid_and_carry_the_moment() -> None:
    assert fresh_name("dogs_head", datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)) == "dogs-head-20260102-030405-678"
    assert fresh_name("my recipe.v2", datetime(2026, 1, 2, tzinfo=UTC)) == "my-recipe-v2-20260102-000000-000"
    assert len(endpoint_name("x" * 63)) == 63


def test_the_demo_preset_is_the_recipe_that_the_training_tests_measure() -> None:
    assert load_preset("demo").hyperparameters == DEMO
