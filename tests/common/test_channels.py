"""Finding the splits under input/data by their names and aliases."""

from __future__ import annotations

from pathlib import Path

import pytest

from container.common import channels


def folders(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
    return root


@pytest.mark.parametrize("alias", ["validation", "valid", "val", "evaluation", "Val"])
def test_each_alias_is_its_split(tmp_path: Path, alias: str) -> None:
    root = folders(tmp_path, "train", alias, "test")
    assert channels.resolve(root) == {"train": root / "train", "validation": root / alias, "test": root / "test"}


def test_one_training_channel_may_hold_all_splits(tmp_path: Path) -> None:
    root = folders(tmp_path, "training/train/ants", "training/valid/ants", "training/test/ants")
    inner = root / "training"
    assert channels.resolve(root) == {
        "train": inner / "train",
        "validation": inner / "valid",
        "test": inner / "test",
    }


def test_class_folders_are_not_mistaken_for_splits(tmp_path: Path) -> None:
    root = folders(tmp_path, "train/ants", "train/bees", "train/test")
    assert channels.resolve(root) == {"train": root / "train"}


def test_the_weights_channel_is_no_split(tmp_path: Path) -> None:
    assert channels.resolve(folders(tmp_path, "weights", "train")) == {"train": tmp_path / "train"}


def test_nothing_there_is_an_empty_answer(tmp_path: Path) -> None:
    assert channels.resolve(tmp_path / "absent") == {}


def test_a_mistyped_channel_is_told(tmp_path: Path) -> None:
    root = folders(tmp_path, "train", "validaton", ".hidden", "weights", "features", "code")
    assert channels.overlooked(root) == ["the channel 'validaton' is not used. Did you mean 'validation'?"]


@pytest.mark.parametrize("root", [".", "training"])
def test_of_two_names_for_one_split_the_canonical_is_taken_and_the_other_told(tmp_path: Path, root: str) -> None:
    base = folders(tmp_path / root, "train/ants", "val", "validation", "valid")
    assert channels.resolve(tmp_path)["validation"] == base / "validation"
    assert channels.overlooked(tmp_path) == [
        "the channel 'valid' is not used: 'validation' is the validation split.",
        "the channel 'val' is not used: 'validation' is the validation split.",
    ]


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    root = folders(tmp_path, "train/bus", "train/train", "train/tram")
    assert channels.resolve(root) == {"train": root / "train"}
    assert channels.overlooked(root) == []
    # Only such classes: their folders hold images.
    root = folders(tmp_path / "two", "train/train", "train/test")
    (root / "train" / "train" / "1.png").touch()
    assert channels.resolve(root) == {"train": root / "train"}


def test_splits_beside_a_folder_that_is_none_are_taken_for_classes_and_told(tmp_path: Path) -> None:
    root = folders(tmp_path, "training/train/ants", "training/validaton/ants")
    assert channels.resolve(root) == {"train": root / "training"}
    (told,) = channels.overlooked(root)
    assert "are taken for classes, 'train' too, since 'validaton' is no split. Did you mean 'validation'?" in told


def test_what_is_in_order_is_not_told_of(tmp_path: Path) -> None:
    assert channels.overlooked(folders(tmp_path / "a", "train", "val", "test", "weights")) == []
    assert channels.overlooked(folders(tmp_path / "b", "training/train/ants", "training/valid/ants")) == []
    assert channels.overlooked(tmp_path / "absent") == []
