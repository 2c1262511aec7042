"""The hyperparameter schema: strings in, one frozen object out, mistakes named."""

from __future__ import annotations

import dataclasses
import json

import pytest

from container.common import hyperparameters as schema
from container.common.errors import HyperparameterError


def test_the_defaults_are_what_parsing_nothing_gives() -> None:
    assert schema.parse({}) == schema.Hyperparameters()


def test_strings_and_parse_are_each_others_inverse() -> None:
    values = schema.parse(
        {
            "model": "vgg16",
            "head": "512,64",
            "dropout": "0.2,0.5",
            "class-weights": '{"ants": 2, "bees": 0.5}',
            "eps": "1e-9",
            "amp": "true",
            "workers": "3",
        }
    )
    assert schema.parse(values.strings()) == values
    assert values.head == (512, 64)
    assert values.class_weights == {"ants": 2.0, "bees": 0.5}


def test_values_already_decoded_by_the_toolkit_mean_the_same() -> None:
    decoded = {"lr": 0.01, "epochs": 3, "head": [512, 64], "amp": True, "model": '"resnet18"', "dropout": 0.2}
    strings = {"lr": "0.01", "epochs": "3", "head": "512,64", "amp": "true", "model": "resnet18", "dropout": "0.2"}
    assert schema.parse(decoded) == schema.parse(strings)


def test_underscores_are_read_as_hyphens_and_a_tuners_float_as_an_integer() -> None:
    assert schema.parse({"batch_size": "64.0"}).batch_size == 64


def test_what_sagemaker_adds_is_passed_over() -> None:
    added = {"sagemaker_program": "train.py", "_tuning_objective_metric": "validation:loss", "sagemaker_job_name": "x"}
    assert schema.parse(added) == schema.Hyperparameters()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("learning-rate", "lr"),
        ("lerning_rate", "lr"),
        ("batch_sise", "batch-size"),
        ("optimiser", "optimizer"),
        ("epoch", "epochs"),
        ("ruls", "rules"),
        ("Learning_Rate", "lr"),
    ],
)
def test_an_unknown_name_is_refused_and_the_nearest_named(given: str, meant: str) -> None:
    with pytest.raises(HyperparameterError, match=f"Unknown hyperparameter '{given}'. Did you mean '{meant}'"):
        schema.parse({given: "1"})


def test_a_name_like_no_other_is_refused_with_where_all_are_listed() -> None:
    with pytest.raises(HyperparameterError, match=r"'xyzzy'\. All \d+ are listed by `launch\.py train --help`\.$"):
        schema.parse({"xyzzy": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", "fast"),
        ("lr", "0"),
        ("lr", "nan"),
        ("lr", "inf"),
        ("epochs", "0"),
        ("epochs", "2.5"),
        ("batch-size", "-4"),
        ("optimizer", "adam2"),
        ("amp", "maybe"),
        ("head", "256,x"),
        ("dropout", "1.0"),
        ("class-weights", "{}"),
        ("class-weights", "heavy"),
        ("model", "../../etc"),
        ("image-size", "8"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_is_allowed(name: str, value: str) -> None:
    with pytest.raises(HyperparameterError, match=rf"Hyperparameter '{name}' cannot be .*allowed") as caught:
        schema.parse({name: value})
    assert "\n" not in str(caught.value)


def test_a_network_that_is_none_is_told_its_nearest_before_anything_runs() -> None:
    with pytest.raises(HyperparameterError, match=r"'model' cannot be 'resnet5O': .* did you mean 'resnet50'"):
        schema.parse({"model": "resnet5O"})


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(HyperparameterError, match="twice"):
        schema.parse({"batch-size": "32", "batch_size": "64"})


def test_every_hyperparameter_is_described() -> None:
    described = {row.name for row in schema.describe()}
    assert described == {f.name.replace("_", "-") for f in dataclasses.fields(schema.Hyperparameters)}
    assert all(row.help.endswith(".") and row.values for row in schema.describe())


def test_a_value_the_python_sdk_has_encoded_twice_is_read() -> None:
    found = schema.parse({"class-weights": json.dumps(json.dumps({"ants": 2})), "model": json.dumps("resnet18")})
    assert found.class_weights == {"ants": 2.0}
    assert found.model == "resnet18"
