"""Any layout to ImageFolder splits: stratified, seeded, without leaks, nothing lost silently."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from launcher.data import DatasetError, Prepared, generate_fingers
from launcher.data.prepare import _link
from launcher.data.statistics import Task, read_all, read_one
from launcher.data.whole import workplace
from tests.data.sources import class_folders, picture, run


def test_flat_fingers_become_class_folders_with_the_test_images_kept(tmp_path: Path) -> None:
    generate_fingers(tmp_path / "hands", train=120, test=24, seed=1)
    made = run(tmp_path / "hands", tmp_path / "out")
    assert {split: sum(c.values()) for split, c in made.counts.items()} == {"train": 96, "validation": 24, "test": 24}
    names = {p.name for p in (tmp_path / "out" / "test").rglob("*.png")}
    assert names == {p.name for p in (tmp_path / "hands" / "test").iterdir()}
    assert len(made.mean["train"]) == 1


def test_missing_splits_are_stratified_and_seeded(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 50, "bees": 20})
    first, again = run(source, tmp_path / "a"), run(source, tmp_path / "b")
    other = run(source, tmp_path / "c", seed=2)
    assert first.counts == {
        "train": {"ants": 30, "bees": 12},
        "validation": {"ants": 10, "bees": 4},
        "test": {"ants": 10, "bees": 4},
    }

    def listing(made: Prepared) -> set[str]:
        return {str(p.relative_to(made.destination)) for p in made.destination.rglob("*.png")}

    assert listing(first) == listing(again) != listing(other)


def test_the_smallest_class_keeps_a_picture_to_train_on(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 2, "bees": 20})
    made = run(source, tmp_path / "out", validation_fraction=0.5, test_fraction=0.4)
    assert made.counts["train"]["ants"] == 1


def test_a_duplicate_stays_on_the_held_out_side_and_is_reported(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in" / "train", {"ants": 10, "bees": 10}).parent
    class_folders(source / "val", {"ants": 3})  # equal to the first three training ants
    made = run(source, tmp_path / "out", test_fraction=0)
    assert made.counts["train"]["ants"] == 7
    assert made.counts["validation"] == {"ants": 3}
    assert all(kept.parts[-3] == "val" and left.parts[-3] == "train" for left, kept in made.duplicates)
    assert len(made.duplicates) == 3


def test_validation_images_may_be_kept_to_test_on(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in" / "train", {"ants": 10, "bees": 20}).parent
    for index, label in enumerate(("ants", "bees", "bees")):
        picture(source / "val" / label / f"{index}.png", 900 + index)
    made = run(source, tmp_path / "out", validation_is_test=True)
    assert made.counts == {
        "train": {"ants": 8, "bees": 16},
        "validation": {"ants": 2, "bees": 4},
        "test": {"ants": 1, "bees": 2},
    }
    picture(source / "test" / "ants" / "1.png", 950)
    with pytest.raises(DatasetError, match="it has test images already; leave that option out"):
        run(source, tmp_path / "other", validation_is_test=True)
    with pytest.raises(DatasetError, match="it has no validation images"):
        run(source / "train", tmp_path / "other", validation_is_test=True)


def test_unreadable_files_are_left_out_and_named(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 10, "bees": 10})
    (source / "ants" / "broken.png").write_bytes(b"no image")
    (source / "ants" / "note.txt").write_text("hello")
    (source / "ants" / ".DS_Store").write_text("")
    made = run(source, tmp_path / "out")
    assert {path.name for path, _ in made.bad} == {"broken.png", "note.txt"}
    assert sum(sum(c.values()) for c in made.counts.values()) == 20


def test_mean_and_deviation_are_those_of_all_pixels(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 10, "bees": 10})
    made = run(source, tmp_path / "out")
    pixels = np.concatenate(
        [np.asarray(Image.open(p)).reshape(-1, 3) for p in (tmp_path / "out" / "train").rglob("*.png")]
    )
    np.testing.assert_allclose(made.mean["train"], pixels.mean(0) / 255, atol=1e-6)
    np.testing.assert_allclose(made.std["train"], pixels.std(0) / 255, atol=1e-6)
    written = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert written["train"]["mean"] == list(made.mean["train"])
    whole = np.concatenate([np.asarray(Image.open(p)).reshape(-1, 3) for p in source.rglob("*.png")])
    np.testing.assert_allclose(written["all"]["mean"], whole.mean(0) / 255, atol=1e-6)


def test_the_pass_of_many_processes_gives_what_one_gives(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 80, "bees": 80})
    tasks = [Task(str(path)) for path in sorted(source.rglob("*.png"))]
    assert list(read_all(tasks)) == [read_one(task) for task in tasks]


def test_files_are_linked_and_the_source_is_left_as_it_was(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 10, "bees": 10})
    before = {path: path.read_bytes() for path in source.rglob("*.png")}
    made = run(source, tmp_path / "out")
    assert {path: path.read_bytes() for path in source.rglob("*.png")} == before
    assert all(path.stat().st_nlink == 2 for path in made.destination.rglob("*.png"))


def test_an_empty_destination_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    made = run(class_folders(tmp_path / "in", {"ants": 10, "bees": 10}), tmp_path / "out")
    assert (tmp_path / "disk" / "train" / "ants").is_dir() and made.page.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "in", "out"]


def test_a_failed_preparation_leaves_nothing_behind(tmp_path: Path) -> None:
    class_folders(tmp_path / "in", {"ants": 5})
    with pytest.raises(DatasetError):
        run(tmp_path / "in", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_equal_files_under_two_classes_are_told(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 10, "bees": 10})
    (source / "bees" / "same.png").write_bytes((source / "ants" / "0.png").read_bytes())
    made = run(source, tmp_path / "out")
    assert len(made.duplicates) == 1
    assert "1 of the copies stands under another class than the file that was kept (1 under 'bees', kept under " in (
        " ".join(made.warnings)
    )


def test_a_set_too_small_to_be_split_is_told(tmp_path: Path) -> None:
    warnings = run(class_folders(tmp_path / "in", {"ants": 1, "bees": 1}), tmp_path / "out").warnings
    assert [split in each for split, each in zip(("validation", "test"), warnings, strict=True)] == [True, True]
    assert "too few images to take one" in warnings[0]


def test_held_out_images_of_a_class_that_is_not_trained_on_are_left_out_and_told(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in" / "train", {"ants": 10, "bees": 10}).parent
    picture(source / "test" / "wasps" / "1.png", 900)
    picture(source / "test" / "ants" / "1.png", 901)
    made = run(source, tmp_path / "out")
    assert made.counts["test"] == {"ants": 1}
    assert any("1 test images of the class 'wasps' were left out" in each for each in made.warnings)
    assert any("The test split has no image of the class 'bees'" in each for each in made.warnings)


def test_each_split_has_its_distribution_as_csv(tmp_path: Path) -> None:
    made = run(class_folders(tmp_path / "in", {"ants": 50, "bees": 20}), tmp_path / "out")
    for split, counts in made.counts.items():
        with (tmp_path / "out" / f"info_{split}.csv").open() as handle:
            rows = list(csv.DictReader(handle))
        assert {r["class"]: int(r["images"]) for r in rows} == counts
        assert sum(float(r["fraction"]) for r in rows) == pytest.approx(1, abs=1e-5)


def test_equal_names_in_sub_folders_do_not_overwrite_each_other(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"bees": 10})
    for i in range(10):
        picture(source / "ants" / f"day{i}" / "photo.png", 100 + i)
    made = run(source, tmp_path / "out", validation_fraction=0, test_fraction=0)
    assert made.counts["train"] == {"ants": 10, "bees": 10}
    assert len(list((tmp_path / "out" / "train" / "ants").iterdir())) == 10


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda root: None, "there is nothing of that name"),
        (lambda root: root.write_bytes(b"x"), "neither a folder nor a zip"),
        (lambda root: root.mkdir(), "No images found"),
        (lambda root: class_folders(root, {"ants": 5}), "at least two classes"),
    ],
)
def test_an_unusable_source_is_one_sentence(tmp_path: Path, build: object, said: str) -> None:
    build(tmp_path / "in")  # type: ignore[operator]
    with pytest.raises(DatasetError, match=said) as caught:
        run(tmp_path / "in", tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_a_full_destination_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(DatasetError, match="not empty"):
        run(class_folders(tmp_path / "in", {"ants": 5, "bees": 5}), tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_a_destination_that_is_filled_meanwhile_is_not_added_to(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not empty"), workplace(tmp_path / "set") as (_, made):
        (made / "train").mkdir()
        (tmp_path / "set" / "train").mkdir(parents=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "train"]


def test_names_that_some_disks_cannot_tell_apart_become_two(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "source" / "train", {"ants": 3, "bees": 3}).parent
    picture(source / "train" / "ants" / "old" / "2.PNG", 90)
    for seed, label in enumerate(("ants", "bees"), start=91):
        picture(source / "valid" / label / "1.png", seed)
    run(source, tmp_path / "out", test_fraction=0.0)
    names = [path.name.casefold() for path in (tmp_path / "out" / "train" / "ants").iterdir()]
    assert len(names) == len(set(names)) == 4


def test_no_file_of_the_source_is_written_through_a_link_to_it(tmp_path: Path) -> None:
    first, second = tmp_path / "1.png", tmp_path / "2.png"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    _link(first, tmp_path / "linked.png")
    with pytest.raises(FileExistsError):
        _link(second, tmp_path / "linked.png")
    assert first.read_bytes() == b"first"
