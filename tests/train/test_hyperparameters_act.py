"""Every hyperparameter that shapes the training changes its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.train.jobs import Jobs, losses

# What is changed, what else the job needs, and what must differ from the job without it.
ACTING: dict[str, dict[str, str]] = {
    "model": {"model": "squeezenet1_1"},
    "freeze": {"freeze": "stage3"},
    "head": {"head": "16"},
    "dropout": {"dropout": "0.5"},
    "image-size": {"image_size": "40"},
    "resize": {"resize": "crop"},
    "grayscale": {"grayscale": "true"},
    "normalize": {"normalize": "none"},
    "augment": {"augment": "flip"},
    "flip": {"augment": "crop", "flip": "false"},
    "class-weights": {"class_weights": '{"across": 3}'},
    "batch-size": {"batch_size": "24"},
    "optimizer": {"optimizer": "sgd"},
    "lr": {"lr": "0.002"},
    "weight-decay": {"weight_decay": "0.9"},
    "eps": {"eps": "0.1"},
    "momentum": {"momentum": "0.5"},
    "schedule": {"schedule": "none"},
    "warmup-epochs": {"warmup_epochs": "1"},
    "label-smoothing": {"label_smoothing": "0.2"},
    "seed": {"seed": "1"},
    "amp": {"amp": "true"},
    "batchnorm": {"batchnorm": "frozen"},
}
NEEDED = {"flip": {"augment": "crop"}}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Callable[[dict[str, str]], list]:
    place = Jobs(tmp_path_factory.mktemp("acting"), pictures)
    known: dict[str, list] = {}

    def run(changes: dict[str, str]) -> list:
        name = json.dumps(changes, sort_keys=True)
        if name not in known:
            known[name] = losses(place.run(str(len(known)), epochs="1", **changes))
        return known[name]

    return run


@pytest.mark.parametrize("name", ACTING)
def test_every_training_hyperparameter_changes_what_is_trained(
    name: str, plain: Callable[[dict[str, str]], list]
) -> None:
    assert plain(ACTING[name]) != plain(NEEDED.get(name, {}))
