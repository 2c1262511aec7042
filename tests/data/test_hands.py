"""The generated hands: seeded, in Kaggle's layout, and fair."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from launcher.data import generate_fingers, hands


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hands")
    generate_fingers(root, train=240, test=120, seed=7)
    return root


def test_the_layout_is_kaggles(made: Path) -> None:
    files = [p for split in ("train", "test") for p in (made / split).iterdir()]
    assert len(files) == 360
    assert all(re.fullmatch(r"[0-9a-f-]{36}_[0-5][LR]\.png", p.name) for p in files)
    with Image.open(files[0]) as picture:
        assert (picture.mode, picture.size) == ("L", (128, 128))


def test_every_class_has_as_many_images(made: Path) -> None:
    labels = [p.stem[-2:] for p in (made / "train").iterdir()]
    assert {labels.count(label) for label in hands.CLASSES} == {20}


def test_no_image_stands_twice(made: Path) -> None:
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in made.rglob("*.png")]
    assert len(set(digests)) == len(digests)


def test_the_same_seed_gives_the_same_files_and_another_seed_others(made: Path, tmp_path: Path) -> None:
    generate_fingers(tmp_path / "again", train=24, test=0, seed=7)
    generate_fingers(tmp_path / "other", train=24, test=0, seed=8)
    again = {p.name: p.read_bytes() for p in (tmp_path / "again" / "train").iterdir()}
    assert all((made / "train" / name).read_bytes() == data for name, data in again.items())
    assert not set(again) & {p.name for p in (tmp_path / "other" / "train").iterdir()}


def test_left_and_right_are_not_told_apart_by_a_constant() -> None:
    """Brightness, contrast and the bright mass's place are drawn alike for both hands."""
    means: dict[str, list[list[float]]] = {"L": [], "R": []}
    for i in range(600):
        hand = "LR"[i % 2]
        picture = hands.draw(i // 2 % 6, hand, np.random.default_rng([3, i]), size=64).astype(np.float64)
        weight = np.clip(picture - np.median(picture), 0, None)
        centre = (weight.sum(0) @ np.arange(64)) / weight.sum()
        means[hand].append([picture.mean(), picture.std(), centre])
    left, right = (np.array(means[h]) for h in "LR")
    for k, name in enumerate(("mean", "deviation", "place")):
        # The best threshold on a single number must stay near guessing.
        values = np.concatenate([left[:, k], right[:, k]])
        truth = np.repeat([0, 1], [len(left), len(right)])
        ordered = truth[np.argsort(values)]
        wrong = np.cumsum(ordered) + np.cumsum(1 - ordered[::-1])[::-1] - (1 - ordered)
        best = max(1 - wrong.min() / len(truth), wrong.max() / len(truth))
        assert best < 0.70, f"{name} alone tells left from right in {best:.0%}"


def test_a_left_hand_is_drawn_as_a_right_one_mirrored() -> None:
    strokes = {h: hands._hand(5, np.random.default_rng(5)) for h in "LR"}
    assert [s.radius for s in strokes["L"]] == [s.radius for s in strokes["R"]]
