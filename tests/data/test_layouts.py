"""Others' layouts, whole and with all that can be wrong with them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from launcher.data import Choice, DatasetError, generate_bins, generate_dogs, generate_fingers
from tests.data.sources import bins, class_folders, numbered, picture, run, totals, zipped


def listing(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_bins_are_classed_by_the_quantity_in_their_metadata(tmp_path: Path) -> None:
    made = run(bins(tmp_path / "in", numbered({1: 5, 2: 6, 5: 7})), tmp_path / "out")
    assert made.layout == "bins"
    assert totals(made) == {"1": 5, "2": 6, "5": 7}
    assert made.warnings == () and made.bad == ()


def test_a_list_chooses_bins_and_names_their_classes(tmp_path: Path) -> None:
    source = bins(tmp_path / "in", numbered({1: 6, 2: 6}))
    chosen = {"1": [f"data/metadata/{n:05d}.json" for n in (1, 2, 3)], "2": [f"data/metadata/0000{n}.json" for n in
              (7, 8, 9)]}  # fmt: skip
    made = run(source, tmp_path / "out", choice=Choice(listed=listing(tmp_path / "list.json", chosen)))
    assert {path.stem for path in made.destination.rglob("*.jpg")} == {f"0000{n}" for n in (1, 2, 3, 7, 8, 9)}
    assert totals(made) == {"1": 3, "2": 3}


@pytest.mark.parametrize(
    ("quantity", "said"),
    [
        (None, "1 bin has no metadata and was left out."),
        (b"{not json", "1 bin has metadata that are not JSON and was left out."),
        (b"\xff\xfe\x00", "1 bin has metadata that are not JSON and was left out."),
        (b"[]", "1 bin has an unknown EXPECTED_QUANTITY and was left out."),
        ("three", "1 bin has an unknown EXPECTED_QUANTITY and was left out."),
        (-1, "1 bin has an unknown EXPECTED_QUANTITY and was left out."),
        (True, "1 bin has an unknown EXPECTED_QUANTITY and was left out."),
        (0, "1 bin has no item and was left out."),
        (6, "1 bin has more than 5 items and was left out."),
    ],
)
def test_a_bin_without_a_usable_quantity_is_left_out_and_counted(tmp_path: Path, quantity: Any, said: str) -> None:
    source = bins(tmp_path / "in", {**numbered({1: 4, 2: 4}), "odd": quantity})
    made = run(source, tmp_path / "out")
    assert sum(totals(made).values()) == 8
    assert said in made.warnings


def test_metadata_without_a_photo_are_counted(tmp_path: Path) -> None:
    source = bins(tmp_path / "in", numbered({1: 4, 2: 4}))
    (source / "bin-images" / "00001.jpg").unlink()
    assert "1 bin has metadata and no photo." in run(source, tmp_path / "out").warnings


def test_a_list_and_metadata_that_differ_leave_the_bin_out(tmp_path: Path) -> None:
    source = bins(tmp_path / "in", {**numbered({1: 4, 2: 4}), "00009": 3, "00010": None})
    chosen = {"1": ["00001.json", "00002.json", "00003.json", "00010.json"],
              "2": ["00005.json", "00006.json", "00009.json", "00099.json"]}  # fmt: skip
    made = run(source, tmp_path / "out", choice=Choice(listed=listing(tmp_path / "list.json", chosen)))
    assert totals(made) == {"1": 4, "2": 2}, "the list alone is enough where there are no metadata"
    assert any(each.startswith("1 bin of the list holds another number of items") for each in made.warnings)
    assert "1 bin of the list has no photo." in made.warnings


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no classes"),
        ("{}", "is empty"),
        ({"many": ["1.json"]}, "the class 'many', which is no number of items"),
        ({"1": "1.json"}, "names no files for the class '1'"),
        ({"1": [1]}, "names no files for the class '1'"),
        ({"1": ["../../etc/pass wd"]}, "which is no bin's file"),
        ({"1": ["7.json"], "2": ["7.json"]}, "has bin 7 under 1 and under 2"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_sentence(tmp_path: Path, content: object, said: str) -> None:
    source = bins(tmp_path / "in", numbered({1: 4, 2: 4}))
    with pytest.raises(DatasetError, match=said) as caught:
        run(source, tmp_path / "out", choice=Choice(listed=listing(tmp_path / "list.json", content)))
    assert "\n" not in str(caught.value)


def test_so_many_bins_of_each_quantity_are_taken_by_the_seed(tmp_path: Path) -> None:
    source = bins(tmp_path / "in", numbered({1: 20, 2: 20, 3: 4}))

    def taken(name: str, seed: int) -> set[str]:
        made = run(source, tmp_path / name, choice=Choice(per_class=5, seed=seed))
        assert totals(made) == {"1": 5, "2": 5, "3": 4}
        return {path.name for path in made.destination.rglob("*.jpg")}

    assert taken("a", 1) == taken("b", 1) != taken("c", 2)


def test_a_list_for_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="bins alone are chosen by a list"):
        run(class_folders(tmp_path / "in", {"a": 3, "b": 3}), tmp_path / "out", choice=Choice(per_class=2))


def test_kaggles_archive_is_read_in_gray_with_its_test_images_kept(tmp_path: Path) -> None:
    generate_fingers(tmp_path / "fingers", train=72, test=24, seed=1)
    # A colour picture among the gray ones, and a name that says nothing.
    picture(tmp_path / "fingers" / "train" / "x_3R.png", 1)
    picture(tmp_path / "fingers" / "train" / "x_6R.png", 2, "L")
    archive = zipped(tmp_path / "fingers.zip", tmp_path / "fingers", "fingers")
    made = run(archive, tmp_path / "out")
    assert made.layout == "fingers"
    assert sum(made.counts["test"].values()) == 24 and totals(made)["3R"] == 9
    assert len(made.mean["train"]) == 1, "in gray"
    ((bad, why),) = made.bad
    assert bad == archive / "fingers" / "train" / "x_6R.png" and "3R.png" in why
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fingers", "fingers.zip", "out"]


def test_dog_images_keep_their_three_splits(tmp_path: Path) -> None:
    generate_dogs(tmp_path / "dogImages", classes=3, train=9, valid=3, test=6, seed=1, size=48)
    (tmp_path / "dogImages" / "train" / ".DS_Store").write_text("")
    archive = zipped(tmp_path / "dogImages.zip", tmp_path / "dogImages", "dogImages")
    made = run(archive, tmp_path / "out", layout="dogs")
    breeds = ["001.Affenpinscher", "002.Afghan_hound", "003.Airedale_terrier"]
    assert made.counts == {split: dict.fromkeys(breeds, count) for split, count in
                           (("train", 3), ("validation", 1), ("test", 2))}  # fmt: skip
    ((bad, why),) = made.bad
    assert bad.name == "Airedale_terrier_06571.jpg" and "damaged" in why
    assert (tmp_path / "out" / "train" / breeds[0] / "Affenpinscher_00001.jpg").is_file()


def test_other_class_folders_are_no_dogs(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'ants' .* is not named like '001\.Affenpinscher'"):
        run(class_folders(tmp_path / "in", {"ants": 5, "bees": 5}), tmp_path / "out", layout="dogs")


def test_an_empty_class_is_passed_over_and_told(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 5, "bees": 5})
    (source / "wasps").mkdir()
    made = run(source, tmp_path / "out")
    assert "The class folder wasps holds no file and is passed over." in made.warnings
    assert set(made.counts["train"]) == {"ants", "bees"}
    assert not (tmp_path / "out" / "train" / "wasps").exists()


def test_files_that_cannot_be_opened_are_named_with_the_reason(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 5, "bees": 5})
    (source / "ants" / "gone.png").symlink_to("nowhere.png")
    (source / "ants" / "again").symlink_to(source / "bees")
    os.mkfifo(source / "ants" / "pipe.png")
    (source / "ants" / "empty.png").write_bytes(b"")
    made = run(source, tmp_path / "out")
    assert {path.name: why for path, why in made.bad} == {
        "gone.png": "it is a link to what is not there",
        "again": "it is a link to a folder, which is not followed",
        "pipe.png": "it is no plain file",
        "empty.png": "The image is empty (0 bytes); send the file's bytes.",
    }
    assert sum(totals(made).values()) == 10


def test_a_linked_picture_outlives_its_link(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 5, "bees": 5})
    picture(tmp_path / "elsewhere.png", 77)
    (source / "ants" / "far.png").symlink_to(tmp_path / "elsewhere.png")
    made = run(source, tmp_path / "out", validation_fraction=0, test_fraction=0)
    far = made.destination / "train" / "ants" / "far.png"
    assert not far.is_symlink() and far.read_bytes() == (tmp_path / "elsewhere.png").read_bytes()


@pytest.mark.parametrize("label", ["蚂蚁", "мураши", "نمل", "ants & <bees>", 'a,b"c', "e\u0301te\u0301", "-rf", "🐜"])
def test_a_class_may_be_named_in_any_script(tmp_path: Path, label: str) -> None:
    source = class_folders(tmp_path / "in", {label: 6, "bees": 6})
    made = run(source, tmp_path / "out")
    assert set(totals(made)) == {label, "bees"}
    assert (tmp_path / "out" / "train" / label).is_dir()
    archive = zipped(tmp_path / "in.zip", source)
    assert totals(run(archive, tmp_path / "again")) == totals(made)


def test_a_name_that_is_no_text_is_kept_as_it_is(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"bees": 6, "wasps": 6})
    odd = os.fsencode(source) + b"/caf\xe9"
    os.mkdir(odd)  # noqa: PTH102
    for seed in range(6):
        os.rename(picture(source / "x.png", 50 + seed), odd + b"/%d.png" % seed)  # noqa: PTH104
    made = run(source, tmp_path / "out")
    assert os.path.isdir(os.fsencode(made.destination) + b"/train/caf\xe9")  # noqa: PTH112
    assert b"caf\xe9" in (made.destination / "info_train.csv").read_bytes()
    assert "caf?" in made.page.read_text(encoding="utf-8")


def test_a_generated_set_is_whole_but_for_its_odd_files(tmp_path: Path) -> None:
    generate_bins(tmp_path / "bins", count=120, seed=3, size=48)
    made = run(tmp_path / "bins", tmp_path / "out")
    listed = json.loads((tmp_path / "bins" / "file_list.json").read_text())
    assert totals(made) == {label: len(files) for label, files in listed.items()}
    assert {"1 bin has no metadata and was left out.", "1 bin has metadata and no photo."} <= set(made.warnings)
