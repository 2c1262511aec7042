"""Real photographs with real weights: what the README promises, measured.

One journey is made with both engines, and each of the long ones with one.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.journeys.launch import Launch, manifest, metrics
from tests.train import recipes

pytestmark = [
    pytest.mark.real,
    # Thousands of images train on a core, beside other tests, on processors of any age.
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def ants_and_bees(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hymenoptera")
    for split in ("train", "val"):
        shutil.copytree(shared / "hymenoptera" / split, root / split)
    return root


@pytest.fixture(scope="module")
def fingers(shared: Path, launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fingers")
    with zipfile.ZipFile(shared / "fingers.zip") as archive:
        archive.extractall(root)
    launch("data", "prepare", str(root / "fingers"), str(root / "prepared"))
    return root / "prepared"


@pytest.fixture(scope="module")
def weights(shared: Path) -> Path:
    return shared / "weights" / "mobilenet_v2_imagenet.pth"


def test_ants_and_bees_on_a_frozen_backbone(launch: Launch, ants_and_bees: Path, weights: Path) -> None:
    description = launch.train("bees-frozen", ants_and_bees, recipes.HYMENOPTERA_FROZEN, weights=weights)
    assert metrics(description)["validation:accuracy"] >= 0.93
    log = launch("logs", "bees-frozen").stdout
    assert "imageNotFound.gif" in log  # the file that is no image is named

    launch.deploy("bees-frozen", "bees")
    for label in ("ants", "bees"):
        photos = sorted((ants_and_bees / "val" / label).iterdir())[:20]
        answers = launch.json("predict", "bees", *map(str, photos))
        right = sum(answer["label"] == label for answer in answers)
        assert right >= 17, f"{right} of 20 {label}"
    launch("delete", "bees", "--yes")


@pytest.mark.parametrize("launch", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)
def test_ants_and_bees_fine_tuned(launch: Launch, ants_and_bees: Path, weights: Path) -> None:
    description = launch.train("bees-tuned", ants_and_bees, recipes.HYMENOPTERA_FINE_TUNED, weights=weights)
    assert metrics(description)["validation:accuracy"] >= 0.94


@pytest.mark.parametrize("launch", ["process"], indirect=True)
def test_real_fingers_and_the_served_int8_model(launch: Launch, fingers: Path, weights: Path, tmp_path: Path) -> None:
    description = launch.train("fingers", fingers, recipes.FINGERS, weights=weights)
    assert metrics(description)["test:accuracy"] >= 0.98
    exported = manifest(description, tmp_path)
    assert exported["precision"] == "int8"

    launch.deploy("fingers", "hands")
    pictures = sorted((fingers / "test").rglob("*.png"))
    answers = launch.json("predict", "hands", str(fingers / "test"))
    assert len(answers) == len(pictures) == 600
    right = sum(answer["label"] == Path(answer["file"]).parent.name for answer in answers) / len(answers)
    # The test accuracy a job reports is that of its fp32 network.
    assert abs(right - metrics(description)["test:accuracy"]) <= 0.003
    launch("delete", "hands", "--yes")
