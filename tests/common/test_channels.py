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
