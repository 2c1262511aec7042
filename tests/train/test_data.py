"""Channels, classes and splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from container.common.errors import DataError
from container.train.data import find
from tests.train.places import image_folder, quick


def test_three_channels_are_taken_as_they_are(pictures: Path) -> None:
    found = find(pictures, quick())
    assert found.classes == ("across", "down", "slanted")
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 72, "validation": 24, "test": 24}


def test_missing_splits_are_taken_from_the_training_images_seeded_and_by_class(tmp_path: Path) -> None:
    image_folder(tmp_path / "training", {"a": 40, "b": 20})
    found = find(tmp_path, quick(seed="3"))
    files = {name: set(split.files) for name, split in found.splits.items()}
    assert Counter(found.splits["test"].labels) == {0: 6, 1: 3}
    assert Counter(found.splits["validation"].labels) == {0: 6, 1: 3}
    assert len(files["train"] | files["validation"] | files["test"]) == 60, "a file stands in two splits"
    assert find(tmp_path, quick(seed="3")) == found
    assert find(tmp_path, quick(seed="4")).splits["test"].files != found.splits["test"].files


def test_the_fractions_of_made_splits_are_those_asked_for(tmp_path: Path) -> None:
    image_folder(tmp_path / "train", {"a": 20, "b": 20})
    found = find(tmp_path, quick(validation_fraction="0.5", test_fraction="0"))
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 20, "validation": 20}


def test_asking_for_a_test_split_does_not_move_the_validation_images(tmp_path: Path) -> None:
    image_folder(tmp_path / "train", {"a": 40, "b": 20})
    with_test, without = find(tmp_path, quick()), find(tmp_path, quick(test_fraction="0"))
    assert set(without.splits) == {"train", "validation"}
    assert with_test.splits["validation"] == without.splits["validation"]


def test_one_channel_may_hold_all_splits(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        image_folder(tmp_path / "training" / split, {"a": 8, "b": 8})
    assert set(find(tmp_path, quick(test_fraction="0")).splits) == {"train", "validation"}


def test_clutter_is_passed_over_wherever_it_lies_and_other_files_are_counted(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "train", {"a": 8, "b": 8})
    (root / "a" / ".ipynb_checkpoints").mkdir()
    (root / "a" / ".ipynb_checkpoints" / "000-checkpoint.png").write_bytes((root / "a" / "000.png").read_bytes())
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "notes.txt"):
        (root / "a" / name).write_bytes(b"x")
    (root / "a" / "moving.gif").write_bytes(b"GIF89a")
    found = find(tmp_path, quick(test_fraction="0", validation_fraction="0.25"))
    assert [p.name for p in found.splits["train"].strangers] == ["moving.gif", "notes.txt"]
    assert sum(len(split) for split in found.splits.values()) == 16


def _missing(root: Path) -> None:
    (root / "validation").mkdir()


def _empty(root: Path) -> None:
    (root / "train").mkdir()


def _loose(root: Path) -> None:
    image_folder(root / "aside", {"a": 2})
    (root / "aside" / "a").rename(root / "train")
    (root / "aside").rmdir()


def _one_class(root: Path) -> None:
    image_folder(root / "train", {"a": 4})


def _empty_class(root: Path) -> None:
    image_folder(root / "train", {"a": 4, "b": 0})


def _validation_lacks_a_class(root: Path) -> None:
    image_folder(root / "train", {"a": 4, "b": 4})
    image_folder(root / "val", {"a": 4})


def _validation_has_another_class(root: Path) -> None:
    image_folder(root / "train", {"ants": 4, "bees": 4})
    image_folder(root / "val", {"ants": 4, "bee": 4})


def _too_few_to_split(root: Path) -> None:
    image_folder(root / "train", {"a": 20, "b": 2})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_missing, "'train' channel is missing: .* holds validation"),
        (_empty, "no class folders; put the images of each class into a folder of its own"),
        (_loose, "2 images but no class folders"),
        (_one_class, r"one class only \('a'\)"),
        (_empty_class, "class folder 'b' of the train channel holds no images"),
        (_validation_lacks_a_class, "class 'b' has no images in the validation channel"),
        (_validation_has_another_class, "class 'bee', which the train channel does not have. Did you mean 'bees'"),
        (_too_few_to_split, r"class 'b' has 2 training image\(s\), too few to take 1 for validation and 1 for test"),
    ],
)
def test_what_cannot_be_trained_on_is_told_in_a_sentence(make: object, words: str, tmp_path: Path) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=words):
        find(tmp_path, quick())


def test_a_test_channel_without_a_class_is_only_warned_of(tmp_path: Path) -> None:
    image_folder(tmp_path / "train", {"a": 8, "b": 8})
    image_folder(tmp_path / "test", {"a": 2})
    assert find(tmp_path, quick()).warnings == ("the test channel has no images of b",)
